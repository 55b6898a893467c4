/** The balancer in front of the replicas, on the client's side: round robin over those that are ready, checked all the time. */

import { setTimeout as sleep } from 'node:timers/promises'
import { Agent, request } from 'undici'
import type { Attempt, Endpoint, Recorder } from './recorder.ts'
import type { Replica } from './site.ts'

export type Call = {
  endpoint: Endpoint
  method: 'GET' | 'POST'
  path: string
  headers?: Record<string, string>
  body?: object
  internal?: boolean
}

export type Answer = Attempt & { text: string; headers: Record<string, string | string[] | undefined> }

export type Balancer = {
  /** At the given replica, else at the next that is ready. Never rejects. */
  send(call: Call, replica?: Replica): Promise<Answer>
  /** Waits until a replica is ready; what it was asked before a freeze is done by then. */
  settled(replica: Replica): Promise<void>
  /** For the verifier SDK: GETs that move on to the next replica when one does not answer. */
  fetch: typeof fetch
  stop(): Promise<void>
}

const CHECK_EVERY_MS = 300
const CHECK_TIMEOUT_MS = 1500
/** A check may be late on a busy machine; after this many a replica's connections are cut. */
const SILENCES_TO_CUT = 2
/** Beyond the six seconds that are allowed, so that a hang is measured. */
const GIVE_UP_MS = 9000
const SETTLE_MS = 500

export function createBalancer(replicas: readonly Replica[], recorder: Pick<Recorder, 'record'>): Balancer {
  const agent = new Agent({ connections: 128, pipelining: 1, headersTimeout: 0, bodyTimeout: 0 })
  const checker = new Agent({ connections: 2 })
  const ready = new Set<Replica>(replicas)
  const cuts = new Map(replicas.map((replica) => [replica, new AbortController()]))
  let turn = 0
  let stopped = false

  async function stateOf(replica: Replica): Promise<'ready' | 'not ready' | 'silent'> {
    const limit = AbortSignal.timeout(CHECK_TIMEOUT_MS)
    try {
      const { statusCode, body } = await request(`${replica.adminUrl}/readyz`, { dispatcher: checker, signal: limit })
      await body.dump()
      return statusCode === 200 ? 'ready' : 'not ready'
    } catch {
      // Refused is not silent: the process is gone, or it drains and still answers what is in flight.
      return limit.aborted ? 'silent' : 'not ready'
    }
  }

  async function check(replica: Replica): Promise<void> {
    for (let silences = 0; !stopped; await sleep(CHECK_EVERY_MS)) {
      const state = await stateOf(replica)
      if (state === 'ready') ready.add(replica)
      else ready.delete(replica)
      silences = state === 'silent' ? silences + 1 : 0
      if (silences !== SILENCES_TO_CUT) continue
      cuts.get(replica)?.abort()
      cuts.set(replica, new AbortController())
    }
  }
  const checks = replicas.map(check)

  function next(): Replica {
    turn += 1
    const serving = replicas.filter((replica) => ready.has(replica))
    const choice = serving.length > 0 ? serving : replicas
    const replica = choice[turn % choice.length]
    if (!replica) throw new Error('there is no replica')
    return replica
  }

  async function send(call: Call, replica = next()): Promise<Answer> {
    const { endpoint, method, path, internal = false } = call
    const startedAt = performance.now()
    const headers = call.body ? { 'content-type': 'application/json', ...call.headers } : { ...call.headers }
    const body = call.body ? JSON.stringify(call.body) : null
    const cut = cuts.get(replica)?.signal
    const giveUp = AbortSignal.timeout(GIVE_UP_MS)
    let answer: Answer
    try {
      const signal = cut ? AbortSignal.any([cut, giveUp]) : giveUp
      const url = `${internal ? replica.adminUrl : replica.url}${path}`
      const reply = await request(url, { dispatcher: agent, method, headers, body, signal })
      const text = await reply.body.text()
      const tookMs = performance.now() - startedAt
      const { statusCode: status } = reply
      answer = { endpoint, replica, startedAt, tookMs, status, code: codeOf(text), text, headers: reply.headers }
    } catch (error) {
      const broken = giveUp.aborted ? 'hangs' : cut?.aborted ? 'cut off' : isRefused(error) ? 'refused' : 'reset'
      answer = { endpoint, replica, startedAt, tookMs: performance.now() - startedAt, broken, text: '', headers: {} }
    }
    recorder.record(answer)
    return answer
  }

  return {
    send,
    async settled(replica) {
      // Out of rotation first: the checks may be a little behind.
      await sleep(CHECK_EVERY_MS + CHECK_TIMEOUT_MS)
      while (!stopped && !ready.has(replica)) await sleep(CHECK_EVERY_MS)
      await sleep(SETTLE_MS)
    },
    async fetch(input, init) {
      const { pathname, search } = new URL(input instanceof Request ? input.url : input)
      const endpoint = pathname.startsWith('/status-lists') ? 'status list' : 'keys'
      const headers = Object.fromEntries(new Headers(init?.headers))
      for (let attempt = 1; ; attempt += 1) {
        const answer = await send({ endpoint, method: 'GET', path: pathname + search, headers })
        if (answer.status !== undefined) {
          const body = answer.status === 304 ? null : answer.text
          return new Response(body, { status: answer.status, headers: singleValued(answer.headers) })
        }
        if (attempt === replicas.length) throw new TypeError('fetch failed')
      }
    },
    async stop() {
      stopped = true
      await Promise.all(checks)
      await Promise.all([agent.destroy(), checker.destroy()])
    },
  }
}

function codeOf(text: string): string | undefined {
  return /^\{"code":"(\w{5})"/.exec(text)?.[1]
}

const isRefused = (error: unknown) => error instanceof Error && 'code' in error && error.code === 'ECONNREFUSED'

const singleValued = (headers: Answer['headers']) =>
  Object.entries(headers).flatMap(([name, value]): [string, string][] =>
    typeof value === 'string' ? [[name, value]] : [],
  )
