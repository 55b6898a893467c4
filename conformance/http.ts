/** One request to the service under test and what came back, kept for whoever looks for secrets afterwards. */

export type Answer = {
  /** Method and path, for a person to read. */
  request: string
  status: number
  headers: Headers
  text: string
  /** The body as JSON; undefined where it is none. */
  json: unknown
  seconds: number
}

export type Outgoing = {
  method: string
  url: string
  headers?: Record<string, string>
  body?: string | Uint8Array | ReadableStream<Uint8Array> | undefined
}

/** Longer than any service may take to answer. */
const GIVE_UP_SECONDS = 30

export type Http = {
  send(outgoing: Outgoing): Promise<Answer>
  /** Every answer so far. */
  answers: readonly Answer[]
}

export function createHttp(): Http {
  const answers: Answer[] = []
  return {
    answers,
    async send({ method, url, headers = {}, body }) {
      const startedAt = performance.now()
      const request = `${method} ${new URL(url).pathname}`
      const streamed = body instanceof ReadableStream ? { duplex: 'half' as const } : {}
      let answer: Answer
      try {
        const reply = await fetch(url, {
          method,
          headers,
          redirect: 'manual',
          signal: AbortSignal.timeout(GIVE_UP_SECONDS * 1000),
          ...(body === undefined ? {} : { body: body as string }),
          ...streamed,
        })
        const text = await reply.text()
        answer = { request, status: reply.status, headers: reply.headers, text, json: parsed(text), seconds: 0 }
      } catch (error) {
        // 0 stands for no answer at all: a check says what it expected instead.
        answer = { request, status: 0, headers: new Headers(), text: reasonOf(error), json: undefined, seconds: 0 }
      }
      answer.seconds = (performance.now() - startedAt) / 1000
      answers.push(answer)
      return answer
    },
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { cause } = error
  return cause instanceof Error ? `${error.message}: ${cause.message}` : error.message
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const MAX_SHOWN = 240

/** What came back, on one line, without the tokens in it. */
export function shown({ request, status, text }: Answer): string {
  const line = text.replace(/[A-Za-z0-9_-]{40,}/g, '…').replace(/\s+/g, ' ')
  const body = line.length > MAX_SHOWN ? `${line.slice(0, MAX_SHOWN)}…` : line
  return status === 0 ? `${request}: no answer (${body})` : `${request}: ${status} ${body || '(no body)'}`
}
