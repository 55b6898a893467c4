/**
 * What happens behind the phone's back: the gateway's calls to WeChat and to services, WeChat's and the verifier's to the gateway, remembered for
 * the playground's timeline without their secrets.
 */
import type { Send } from '../../server/platforms/fetch-json.ts'

export type JournalEntry = {
  sequence: number
  from: 'gateway' | 'event' | 'verifier' | 'wechat'
  method: string
  url: string
  /** Milliseconds since the epoch. */
  startedAt: number
  durationMs: number
  /** Absent when there was no reply. */
  status?: number
  request: unknown
  reply: unknown
}

const KEPT = 200
/** WeChat's secrets never leave the gateway, so not even a developer's own browser is shown them. */
const SECRETS = new Set(['secret', 'session_key', 'access_token'])
const HIDDEN = '•••'
const SHOWN_HEADERS = ['content-type', 'etag', 'cache-control']

export function createJournal() {
  const entries: JournalEntry[] = []
  let sequence = 0

  async function record<Reply>(
    call: Pick<JournalEntry, 'from' | 'method' | 'url' | 'request'>,
    work: () => Promise<Reply>,
    show: (reply: Reply) => { status: number; reply: unknown },
  ): Promise<Reply> {
    const startedAt = Date.now()
    const begun = performance.now()
    const keep = (outcome: { status?: number; reply: unknown }) => {
      sequence += 1
      entries.push({ sequence, ...call, startedAt, durationMs: performance.now() - begun, ...outcome })
      if (entries.length > KEPT) entries.shift()
    }
    try {
      const reply = await work()
      keep(show(reply))
      return reply
    } catch (error) {
      keep({ reply: error instanceof Error ? error.message : 'failed' })
      throw error
    }
  }

  return {
    /** The number of the newest entry. */
    newest: (): number => sequence,
    since: (after: number): JournalEntry[] => entries.filter((entry) => entry.sequence > after),

    recordSend:
      (send: Send): Send =>
      (request) =>
        record(
          {
            from: request.operation === 'event' ? 'event' : 'gateway',
            method: request.method,
            url: withoutSecrets(request.url),
            request: request.body === undefined ? undefined : readable(request.body),
          },
          () => send(request),
          ({ status, text }) => ({ status, reply: readable(text) }),
        ),

    /** WeChat's pushes: encrypted, so that there is little to see. */
    recordPush:
      (fetch: typeof globalThis.fetch): ((url: string, init: RequestInit) => Promise<Response>) =>
      (url, init) =>
        record(
          {
            ...{ from: 'wechat', method: init.method ?? 'GET', url: url.split('?', 1)[0] ?? url },
            request: typeof init.body === 'string' ? readable(init.body) : undefined,
          },
          () => fetch(url, init),
          (response) => ({ status: response.status, reply: pick(response.headers, SHOWN_HEADERS) }),
        ),

    recordFetch:
      (fetch: typeof globalThis.fetch): typeof globalThis.fetch =>
      (input, init) => {
        const { url, method, headers } = new Request(input, init)
        return record(
          { from: 'verifier', method, url, request: pick(headers, ['accept', 'if-none-match']) },
          () => fetch(input, init),
          (response) => ({ status: response.status, reply: pick(response.headers, SHOWN_HEADERS) }),
        )
      },
  }
}

export type Journal = ReturnType<typeof createJournal>

function withoutSecrets(url: string): string {
  const shown = new URL(url)
  for (const name of SECRETS) if (shown.searchParams.has(name)) shown.searchParams.set(name, HIDDEN)
  return decodeURIComponent(shown.href)
}

/** JSON with its secrets covered; of anything else only the length is told. */
function readable(text: string | Uint8Array): unknown {
  if (typeof text !== 'string') return `${text.length} bytes`
  try {
    return JSON.parse(text, (name, value) => (SECRETS.has(name) ? HIDDEN : value))
  } catch {
    return `${text.length} characters that are not JSON`
  }
}

function pick(headers: Headers, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.flatMap((name) => [[name, headers.get(name) ?? '']]).filter(([, value]) => value))
}
