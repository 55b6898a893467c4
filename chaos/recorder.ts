/** Every request of the load, judged at once: in time, a code the contract names with its status, and explained by what is broken. */

import { type ErrorCode, errorCodes } from '../src/server/errors.ts'
import type { Fault, FaultTarget } from './faults.ts'
import type { Replica } from './site.ts'

export type Endpoint = 'login' | 'refresh' | 'logout' | 'user' | 'verify' | 'status list' | 'keys'

export type Attempt = {
  endpoint: Endpoint
  replica: Replica
  startedAt: number
  tookMs: number
  /** Absent when no answer came. */
  status?: number
  code?: string | undefined
  /** Why no answer came. */
  broken?: 'refused' | 'reset' | 'cut off' | 'hangs'
}

export type FaultTally = { requests: number; errors: Map<string, number>; longestMs: number; slow: number }

export type Recorder = {
  record(attempt: Attempt): void
  violation(what: string): void
  violations(): readonly string[]
  /** Of the requests that a fault of this kind met, and of those that met none. */
  tallyOf(kind: Fault['kind'] | 'nothing broken'): FaultTally
  counts(): ReadonlyMap<string, number>
  /** Says of rows that were held if others had to wait, too. */
  judgeOthers(): void
}

/** The contract's "no request hangs longer". */
export const LONGEST_MS = 6000
/** How long after its end a fault may still explain an error. */
export const RECOVERY_MS = 10_000
const MAX_KEPT = 200
/** Whoever needs no held row notices nothing; one who waits for it does so for 2.5 s. */
const SLOW_MS = 1500
const SLOW_SHARE = 0.03
/** Held up by an audit partition that nobody can write to. */
const AUDITED: readonly Endpoint[] = ['login', 'logout']

const isGood = (status: number | undefined) => status === 200 || status === 304

const STORES: readonly FaultTarget[] = ['postgres']
const UPSTREAM: readonly FaultTarget[] = ['wechat']
/** Which server's absence may be answered with a code. A replica that was frozen itself may give any: all its time limits have passed. */
const EXPLANATIONS: Partial<Record<ErrorCode, readonly FaultTarget[]>> = {
  B0320: STORES,
  B0210: [...STORES, ...UPSTREAM],
  C0001: UPSTREAM,
  C0200: UPSTREAM,
  // The claim on a code is held by a replica that is away, or by one that waits for WeChat.
  A0506: ['redis', 'wechat', 'replica'],
}

export function createRecorder(faults: () => readonly Fault[]): Recorder {
  const violations: string[] = []
  const tallies = new Map<string, FaultTally>()
  const counts = new Map<string, number>()

  const meets = (fault: Fault, from: number, to: number, graceMs: number) =>
    fault.startedAt <= to && fault.endedAt + graceMs >= from

  function violation(what: string): void {
    if (violations.length < MAX_KEPT) violations.push(what)
  }

  function tallyOf(kind: string): FaultTally {
    const known = tallies.get(kind)
    if (known) return known
    const fresh: FaultTally = { requests: 0, errors: new Map(), longestMs: 0, slow: 0 }
    tallies.set(kind, fresh)
    return fresh
  }

  const isHeldUp = (fault: Fault, endpoint: Endpoint) =>
    fault.kind === 'audit partition held' && AUDITED.includes(endpoint)

  /** What is wrong with it, or undefined. */
  function judge({ endpoint, replica, startedAt, tookMs, status, code, broken }: Attempt): string | undefined {
    const until = startedAt + tookMs
    const near = faults().filter((fault) => meets(fault, startedAt, until, RECOVERY_MS))
    const itself = near.filter((fault) => fault.replica === replica && fault.kind !== 'replica restarted')
    if (broken === 'hangs' || tookMs > LONGEST_MS) return `took ${Math.round(tookMs)} ms`
    if (broken !== undefined)
      return itself.length > 0 ? undefined : `${broken}, and ${replica.name} was neither killed nor frozen`
    if (isGood(status)) return undefined
    if (code === undefined) return `answered ${status} without a code`
    const named = code in errorCodes ? errorCodes[code as ErrorCode] : undefined
    if (named === undefined || code === 'B0001') return `answered ${status} ${code}`
    if (named.status !== status) return `answered ${code} with ${status}`
    // Whether a token is refused with right, the user who holds it knows.
    if (status === 401) return undefined
    const targets = EXPLANATIONS[code as ErrorCode]
    if (targets === undefined) return `answered ${status} ${code}`
    if (code === 'B0320' && near.some((fault) => isHeldUp(fault, endpoint))) return undefined
    if (itself.length > 0 || near.some((fault) => targets.includes(fault.target))) return undefined
    return `answered ${status} ${code}, and nothing was broken that explains it`
  }

  return {
    record(attempt) {
      const { endpoint, startedAt, tookMs, status, code, broken } = attempt
      const result = broken ?? (isGood(status) ? 'ok' : `${status} ${code ?? ''}`.trim())
      counts.set(`${endpoint} ${result}`, (counts.get(`${endpoint} ${result}`) ?? 0) + 1)
      const now = faults().filter((fault) => meets(fault, startedAt, startedAt + tookMs, 0))
      const met = new Set(now.map(({ kind }) => kind))
      for (const kind of met.size > 0 ? met : ['nothing broken']) {
        const tally = tallyOf(kind)
        tally.requests += 1
        tally.longestMs = Math.max(tally.longestMs, tookMs)
        if (tookMs > SLOW_MS && !now.some((fault) => isHeldUp(fault, endpoint))) tally.slow += 1
        // A 401 for an ended session is what was asked for.
        if (result !== 'ok' && status !== 401) {
          const name = broken ?? code ?? String(status)
          tally.errors.set(name, (tally.errors.get(name) ?? 0) + 1)
        }
      }
      const wrong = judge(attempt)
      if (wrong) violation(`${endpoint} at ${attempt.replica.name}: ${wrong}`)
    },
    violation,
    violations: () => violations,
    tallyOf,
    counts: () => counts,
    judgeOthers() {
      for (const kind of ['rows held', 'audit partition held'] as const) {
        const { slow, requests } = tallyOf(kind)
        if (slow > requests * SLOW_SHARE) violation(`${kind}: ${slow} of ${requests} requests took over ${SLOW_MS} ms`)
      }
    },
  }
}
