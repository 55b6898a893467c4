/** Load that must not see a single failure: logins, refreshes and key sets on connections that are kept open. */

import { setTimeout as sleep } from 'node:timers/promises'
import { Agent, request } from 'undici'

export type SteadyLoad = {
  /** Resolves when nobody sends any more. */
  ended: Promise<void>
  stop(): Promise<void>
  counts(): { requests: number; failures: readonly string[] }
}

export type SteadyLoadOptions = {
  url: string
  workers: number
  /** A worker that is told `Connection: close` sends nothing more, as a balancer in front of one replica would. */
  leaveOnClose?: boolean
  pauseMs?: number
  /** The workers begin spread over this time, so that at any moment each is at another step. */
  spreadMs?: number
  onReply?: (sentAt: number) => void
}

const MAX_FAILURES = 20
let persons = 0

export function holdLoad({
  url,
  workers,
  leaveOnClose = false,
  pauseMs = 5,
  spreadMs = 0,
  onReply,
}: SteadyLoadOptions): SteadyLoad {
  const agent = new Agent({ connections: workers, pipelining: 1 })
  const failures: string[] = []
  let requests = 0
  let running = true

  async function worker(_: unknown, index: number): Promise<void> {
    let told = false
    const goesOn = () => running && !told

    /** The `data` of a reply with tokens; undefined when there is none. */
    async function ask(
      method: 'GET' | 'POST',
      path: string,
      sent?: object,
    ): Promise<{ refresh_token?: string } | undefined> {
      const sentAt = performance.now()
      requests += 1
      try {
        const headers = sent ? { 'content-type': 'application/json' } : {}
        const body = sent ? JSON.stringify(sent) : null
        const reply = await request(url + path, { dispatcher: agent, method, headers, body })
        const text = await reply.body.text()
        onReply?.(sentAt)
        if (reply.statusCode !== 200) throw new Error(`${reply.statusCode} ${text.slice(0, 200)}`)
        told = leaveOnClose && reply.headers.connection === 'close'
        await sleep(pauseMs)
        return JSON.parse(text).data
      } catch (error) {
        told = leaveOnClose
        if (failures.length < MAX_FAILURES) failures.push(`${path}: ${error instanceof Error ? error.message : error}`)
        return undefined
      }
    }

    await sleep((spreadMs * index) / workers)
    while (goesOn()) {
      persons += 1
      let tokens = await ask('POST', '/api/login', { code: `dev:steady${persons}:1` })
      for (let round = 0; round < 3 && goesOn() && tokens; round += 1) {
        tokens = await ask('POST', '/api/refresh', { refresh_token: tokens.refresh_token })
      }
      if (goesOn()) await ask('GET', '/.well-known/jwks.json')
    }
  }

  const ended = Promise.all(Array.from({ length: workers }, worker)).then(() => agent.close())
  return {
    ended,
    async stop() {
      running = false
      await ended
    },
    counts: () => ({ requests, failures }),
  }
}
