/** One request of an operator's browser, as the pages see it, and what a page or an act answers. */
import type { GatewayContext } from '../http/context.ts'
import type { ApiReply, Ask } from './api.ts'
import type { Html } from './html.ts'
import type { ConsoleSession, Flash } from './session.ts'
import type { ConsoleWords } from './words.zh.ts'

export type Visit = {
  c: GatewayContext
  /** With the query, as the browser asked for it. */
  url: URL
  query: URLSearchParams
  /** What the path's pattern named. */
  params: Record<string, string>
  /** What was posted, every value trimmed. */
  form: Record<string, string>
  language: 'zh' | 'en'
  words: ConsoleWords
  session: ConsoleSession
  mayAct: boolean
  ask: Ask
  /** Whether the operator has proved once more who they are: by the token beside the form, or by a fresh sign-in. */
  provedAgain(): boolean
  /** Whether the API serves this path: parts of it are switched on by configuration. */
  serves(path: string): boolean
}

/** What a form is shown with again: what was wrong, and what was typed. */
export type Shown = {
  /** Of the whole act, in the operator's words. */
  problem?: string
  errors: Record<string, string>
  values: Record<string, string>
}

export type Page = { title: string; body: Html; status?: number }
export type View = (visit: Visit, shown: Shown) => Promise<Page>
/** Where to go on, and what to say there; or what the form is shown with again. */
export type Outcome = { to: string; flash: Flash } | (Partial<Shown> & { status?: number })

/** A page that cannot be shown. */
export class Unshowable extends Error {
  readonly reason: 'missing' | 'store' | 'refused'
  readonly reply: ApiReply
  constructor(reason: Unshowable['reason'], reply: ApiReply) {
    super(reply.msg)
    this.name = 'Unshowable'
    this.reason = reason
    this.reply = reply
  }
}

/** The data of a good reply; throws Unshowable. */
export function dataOf(reply: ApiReply): ApiReply['data'] {
  if (reply.code === '00000') return reply.data
  throw new Unshowable(reply.code === 'A0404' ? 'missing' : reply.status >= 500 ? 'store' : 'refused', reply)
}

/** The outcome of an act that went through the API: errors beside the fields where it names them, by the form's names for them. */
export function outcomeOf(
  reply: ApiReply,
  done: { to: string; flash: Flash },
  { words, names = {} }: { words: ConsoleWords; names?: Record<string, string> },
): Outcome {
  if (reply.code === '00000') return done
  const errors = Object.fromEntries(
    Object.entries(reply.fields ?? {}).map(([name, reason]) => {
      const [top = name] = name.split('.')
      return [names[top] ?? top, name === top ? reason : `${name}: ${reason}`]
    }),
  )
  const problem = reply.fields ? words.fieldsWrong : `${reply.msg} (${reply.code})`
  return { problem, errors, status: reply.status }
}
