/** Plays sdks/vectors to the TypeScript verifier: a gateway that answers as a file says, and the steps of a script in faked time. */

import { readFileSync } from 'node:fs'
import { setImmediate as turn } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { vi } from 'vitest'
import { createVerifier, type Verifier, VerifierError } from '../../sdk/verifier/verifier.ts'
import type {
  Config,
  Expect,
  Gateway,
  Reply,
  Script,
  ScriptFile,
  Shared,
  Step,
  Vector,
  VectorFile,
} from '../tools/vectors/format.ts'
import { until } from './verifier.ts'

const folder = new URL('../../../sdks/vectors/', import.meta.url)
export const vectorText = (name: string): string => readFileSync(new URL(name, folder), 'utf8')
export const readVectors = (name: string): VectorFile => JSON.parse(vectorText(name))
export const readScripts = (): ScriptFile => JSON.parse(vectorText('scripts.json'))

const FETCH_TIMEOUT_MS = 5000
const WAIT_MS = 2000

/** The gateway of a file, with the changes of one vector or script. */
export function createVectorGateway(shared: Shared, changes: Vector['gateway'] = {}) {
  const replies: Record<string, Reply | null> = { ...shared.gateway, ...changes }
  const origin = new URL(shared.config.issuer).origin
  const requests: string[] = []
  let hanging = 0

  async function answer(path: string, ifNoneMatch: string | null): Promise<Response> {
    const reply = replies['*'] ?? replies[path] ?? { status: 404 }
    if ('down' in reply) throw new TypeError('fetch failed')
    if ('hang' in reply) {
      hanging += 1
      return await new Promise((_, reject) =>
        setTimeout(() => {
          hanging -= 1
          reject(new TypeError('the fetch has timed out'))
        }, FETCH_TIMEOUT_MS),
      )
    }
    const { status = 200, headers = {}, body = '', pad = 0 } = reply
    if (headers.location) throw new TypeError('redirect mode is "error"')
    if (headers.etag !== undefined && headers.etag === ifNoneMatch) return new Response(null, { status: 304, headers })
    return new Response([204, 304].includes(status) ? null : body + ' '.repeat(pad), { status, headers })
  }

  return {
    change: (more: Gateway | Record<string, Reply | null>) => Object.assign(replies, more),
    asked: (path: string) => requests.filter((requested) => path === '*' || requested === path).length,
    hanging: () => hanging,
    fetch: (async (input: string | URL | Request, init?: RequestInit) => {
      const url = new URL(String(input))
      if (url.origin !== origin) throw new Error(`${url.href} must never be fetched`)
      requests.push(url.pathname)
      return await answer(url.pathname, new Headers(init?.headers).get('if-none-match'))
    }) satisfies typeof fetch,
  }
}

type Outcome = Expect | { ok: false; reason: `no VerifierError: ${string}` }

const outcomeOf = (verified: Promise<object>): Promise<Outcome> =>
  verified.then(
    (claims) => ({ ok: true, claims: { ...claims } }),
    (error: unknown) => ({
      ok: false,
      reason: error instanceof VerifierError ? error.code : `no VerifierError: ${String(error)}`,
    }),
  )

/** Of an outcome what `expected` asks for: every claim it names, and no other. */
function asExpected(outcome: Outcome, expected: Expect): Outcome {
  if (!outcome.ok || !expected.ok) return outcome
  const named = Object.keys(expected.claims).map((name) => [name, outcome.claims[name]])
  return { ok: true, claims: Object.fromEntries(named) }
}

export async function playVector(shared: Shared, vector: Vector): Promise<{ outcome: Outcome; foreign: boolean }> {
  const gateway = createVectorGateway(shared, vector.gateway)
  const now = () => new Date(shared.now * 1000)
  let foreign = false
  const verifier = createVerifier({
    ...shared.config,
    ...vector.config,
    fetch: gateway.fetch,
    now,
    onFailure: ({ error }) => {
      foreign ||= String(error).includes('must never be fetched')
    },
  })
  await verifier.ready().catch(() => undefined)
  const outcome = asExpected(await outcomeOf(verifier[vector.call](vector.token)), vector.expect)
  verifier.close()
  return { outcome, foreign }
}

/** The first step that did not come out as expected, or `undefined`. Timers are faked, so that hours pass in a moment. */
export async function playScript(shared: ScriptFile, script: Script): Promise<string | undefined> {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date', 'performance'], now: shared.now * 1000 })
  const start = performance.now()
  const gateway = createVectorGateway(shared, script.gateway)
  const config: Config = { ...shared.config, ...script.config }
  const verifier = createVerifier({
    ...config,
    fetch: gateway.fetch,
    waitMs: WAIT_MS,
    fetchTimeoutMs: FETCH_TIMEOUT_MS,
    onFailure: () => {},
  })
  try {
    for (const step of script.steps) {
      await passUntil(start + step.at * 1000, verifier, gateway)
      if ('clock' in step) vi.setSystemTime(Date.now() + step.clock * 1000)
      else if ('gateway' in step) gateway.change(step.gateway)
      else {
        const wrong = await play(step, verifier, gateway)
        if (wrong !== undefined) return `at ${step.at} s: ${wrong}`
      }
    }
    return undefined
  } finally {
    verifier.close()
    vi.useRealTimers()
  }
}

type Played = Exclude<Step, { clock: number } | { gateway: object }>
type VectorGateway = ReturnType<typeof createVectorGateway>

async function play(step: Played, verifier: Verifier, gateway: VectorGateway): Promise<string | undefined> {
  if ('requests' in step) {
    const count = gateway.asked(step.requests)
    const { exactly = count, atMost = count, atLeast = count } = step
    const fits = count === exactly && count <= atMost && count >= atLeast
    return fits ? undefined : `${step.requests} was asked ${count} times, not ${JSON.stringify(step)}`
  }
  if ('ready' in step) {
    const outcome = await held(outcomeOf(verifier.ready().then(() => ({}))), gateway)
    const became = outcome.ok ? 'ok' : outcome.reason
    return became === step.ready ? undefined : `ready() gave ${became}, not ${step.ready}`
  }
  if ('verifyEvent' in step)
    return differs(await held(outcomeOf(verifier.verifyEvent(step.verifyEvent)), gateway), step.expect)
  const { verify: token, times = 1, parallel = 1, expect } = step
  for (let i = 0; i < times; i += 1) {
    const all = Promise.all(Array.from({ length: parallel }, () => outcomeOf(verifier.verify(token))))
    for (const outcome of await held(all, gateway)) {
      const wrong = differs(outcome, expect)
      if (wrong !== undefined) return wrong
    }
  }
  return undefined
}

function differs(outcome: Outcome, expected: Expect): string | undefined {
  if (isDeepStrictEqual(asExpected(outcome, expected), expected)) return undefined
  return `${JSON.stringify(outcome)} instead of ${JSON.stringify(expected)}`
}

/** Waits for a request; where it hangs on a gateway that never answers, time passes. */
async function held<T>(work: Promise<T>, gateway: VectorGateway): Promise<T> {
  let done = false
  const over = work.finally(() => {
    done = true
  })
  while (!done) {
    await until(() => done || gateway.hanging() > 0)
    if (!done) await vi.advanceTimersByTimeAsync(100)
  }
  return await over
}

/** Second by second, and after each the fetches that became due are over: every list and the keys have a timer again. */
async function passUntil(elapsedMs: number, verifier: Verifier, gateway: VectorGateway): Promise<void> {
  const idle = () =>
    gateway.asked('*') === 0 || gateway.hanging() > 0 || vi.getTimerCount() > verifier.state().statusLists.length
  for (;;) {
    await turn()
    await until(idle)
    const left = elapsedMs - performance.now()
    if (left <= 0) return
    await vi.advanceTimersByTimeAsync(Math.min(left, 1000))
  }
}
