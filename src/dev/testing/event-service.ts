/** A service that is told of events, for tests: it verifies each with the SDK, keeps them in order, and answers as it is told to. */
import { setTimeout as pause } from 'node:timers/promises'
import { createVerifier, type Verifier } from '../../sdk/verifier/verifier.ts'
import type { Send } from '../../server/platforms/fetch-json.ts'
import { PlatformError } from '../../server/platforms/platform.ts'

type Sent = Parameters<Send>[0]
type Answer = { status: number; text: string } | 'away'

export type HeardEvent = {
  jti: string
  txn: string | undefined
  /** The last word of the event's URI. */
  name: string
  userId: string
  members: Record<string, unknown>
}

export type EventService = ReturnType<typeof createEventService>

export function createEventService({ audience = 'orders' }: { audience?: string } = {}) {
  const heard: HeardEvent[] = []
  const requests: Sent[] = []
  let answer: (event: HeardEvent) => Answer | Promise<Answer> = () => ({ status: 202, text: '' })
  let verifier: Verifier | undefined
  let delayMs = () => 0
  let underWay = 0
  let most = 0

  async function send(request: Sent): Promise<{ status: number; text: string }> {
    underWay += 1
    most = Math.max(most, underWay)
    try {
      requests.push(request)
      if (delayMs() > 0) await pause(delayMs())
      const event = await readEvent(String(request.body))
      const answered = await answer(event)
      if (answered === 'away') throw new PlatformError(request.operation, 'unreachable')
      if (answered.status < 300) heard.push(event)
      return answered
    } finally {
      underWay -= 1
    }
  }

  async function readEvent(jwt: string): Promise<HeardEvent> {
    if (!verifier) throw new Error('trust a gateway first')
    const { jti, txn, sub_id, events } = await verifier.verifyEvent(jwt)
    const [[uri = '', members = {}] = []] = Object.entries(events)
    const user = (sub_id.format === 'complex' ? sub_id.user : sub_id) as { sub?: string }
    return { jti, txn, name: uri.split(/[:/]/).at(-1) ?? '', userId: user.sub ?? '', members }
  }

  return {
    send,
    heard,
    requests,
    readEvent,
    /** Takes the keys of this gateway. */
    trust(gateway: { config: { issuer: string }; publicApp: { request(path: string): Response | Promise<Response> } }) {
      verifier = createVerifier({
        issuer: gateway.config.issuer,
        audience,
        fetch: async (url) => await gateway.publicApp.request(new URL(String(url)).pathname),
      })
    },
    answer(next: typeof answer) {
      answer = next
    },
    /** How long each answer takes; a function of chance lets answers overtake each other. */
    delay(ms: () => number) {
      delayMs = ms
    },
    /** The most requests at one time. */
    most: () => most,
    names: (userId?: string) =>
      heard.filter((event) => userId === undefined || event.userId === userId).map(({ name }) => name),
    close: () => verifier?.close(),
  }
}
