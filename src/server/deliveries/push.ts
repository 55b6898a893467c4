/** One event, pushed to one target (RFC 8935): what was sent, and what the reply means. */
import type { EventTarget } from '../config/event-targets.ts'
import type { Send } from '../platforms/fetch-json.ts'
import { PlatformError } from '../platforms/platform.ts'

/** `done`: the target has also done what it must confirm. `away`: it did not answer at all. */
export type Pushed = { outcome: 'delivered'; done: boolean } | { outcome: 'failed' | 'away' | 'refused'; error: string }

const TIMEOUT_MS = 5000

/** RFC 8935 section 2.4: these are mended elsewhere, and the same event then passes; with any other it is a dead letter. */
const passing = ['authentication_failed', 'access_denied', 'invalid_key']

/** Redirects are not followed and replies are bounded by `send`. */
export async function pushEvent(send: Send, target: EventTarget & { url: string }, jwt: string): Promise<Pushed> {
  try {
    return readReply(
      await send({
        operation: 'event',
        method: 'POST',
        url: withPath(target.url),
        headers: {
          'Content-Type': 'application/secevent+jwt',
          Accept: 'application/json',
          ...(target.token === undefined ? {} : { Authorization: `Bearer ${target.token}` }),
        },
        body: jwt,
        timeoutMs: TIMEOUT_MS,
      }),
    )
  } catch (error) {
    if (!(error instanceof PlatformError)) throw error
    return { outcome: 'away', error: error.failure }
  }
}

/** An origin alone has the path `/`. */
const withPath = (url: string): string => (new URL(url).pathname === '/' ? new URL(url).href : url)

function readReply({ status, text }: { status: number; text: string }): Pushed {
  // 202 is RFC 8935's; 200 is ours, since it alone may say that the work is done.
  if (status === 200) return { outcome: 'delivered', done: members(text).done === true }
  if (status === 202 || status === 204) return { outcome: 'delivered', done: false }
  const { err } = members(text)
  // A word of the standard's form and nothing else: a target's own text may hold what must not be kept.
  if (status !== 400 || typeof err !== 'string' || !/^\w{1,64}$/.test(err))
    return { outcome: 'failed', error: `status ${status}` }
  return { outcome: passing.includes(err) ? 'failed' : 'refused', error: err }
}

function members(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}
