/** The load: generator processes that live as long as the benchmark, with their CPU in the report, so that they can be ruled out as the limit. */

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Job, Order, Outcome, Report } from './load-process.ts'

export type Load = Omit<Job, 'run' | 'refreshTokens' | 'inTurn'> & { refreshTokens?: string[] }

export type Figures = {
  requests: number
  seconds: number
  /** Answered with something else than 200. */
  refused: number
  /** Not answered. */
  broken: number
  p50Ms: number
  p99Ms: number
  firstRefusal?: string
}

export type Generators = ReturnType<typeof startGenerators>

const PROCESSES = 2

export function startGenerators() {
  const file = fileURLToPath(new URL('load-process.ts', import.meta.url))
  const children = Array.from({ length: PROCESSES }, () => fork(file, { serialization: 'advanced' }))
  let runs = 0

  return {
    pids: children.map((child) => child.pid ?? 0),
    /** `window` is called at the begin and at the end of what is counted. */
    async run(load: Load, warmUpSeconds: number, seconds: number, window: () => void): Promise<Figures> {
      runs += 1
      const warm = Promise.all(children.map((child) => once(child, 'message', patience())))
      for (const [index, child] of children.entries()) tell(child, { job: shareOf(load, index, runs) })
      await Promise.all([warm, sleep(warmUpSeconds * 1000)])
      const begin = performance.now()
      window()
      for (const child of children) tell(child, { begin: true })
      await sleep(seconds * 1000)
      window()
      const lasted = (performance.now() - begin) / 1000
      const outcomes = Promise.all(children.map(outcomeOf))
      for (const child of children) tell(child, { end: true })
      return summary(await outcomes, lasted)
    },
    /** Lets every user log in once. */
    async inTurn(load: Load) {
      runs += 1
      const outcomes = Promise.all(children.map(outcomeOf))
      for (const [index, child] of children.entries()) {
        tell(child, { job: { ...shareOf(load, index, runs), inTurn: { first: index, step: PROCESSES } } })
      }
      const { refused, broken, firstRefusal } = summary(await outcomes, 0)
      if (refused + broken > 0) throw new Error(`${refused + broken} first logins failed: ${firstRefusal}`)
    },
    stop() {
      for (const child of children) child.kill()
    },
  }
}

/** Longer than the slowest contestant needs; a server that never answers must not hold the benchmark for ever. */
const patience = () => ({ signal: AbortSignal.timeout(180_000) })

const tell = (child: ChildProcess, order: Order) => child.send(order)

async function outcomeOf(child: ChildProcess): Promise<Outcome> {
  for (;;) {
    const [report]: Report[] = await once(child, 'message', patience())
    if (report && 'outcome' in report) return report.outcome
  }
}

/** The connections, and their tokens, dealt out over the processes. */
function shareOf(load: Load, index: number, run: number): Job {
  const mine = (_: unknown, connection: number) => connection % PROCESSES === index
  const connections = Array.from({ length: load.connections }).filter(mine).length
  // A leading 1 keeps the number's digits when it is part of a user number.
  return {
    ...load,
    connections,
    run: `1${index}${String(run).padStart(4, '0')}`,
    refreshTokens: (load.refreshTokens ?? []).filter(mine),
  }
}

function summary(outcomes: Outcome[], seconds: number): Figures {
  const latencies = Float32Array.from(outcomes.flatMap((outcome) => [...outcome.latencies])).sort()
  const percentile = (share: number) => latencies[Math.floor(latencies.length * share)] ?? Number.NaN
  const total = (value: (outcome: Outcome) => number) => outcomes.reduce((sum, outcome) => sum + value(outcome), 0)
  const firstRefusal = outcomes.find((outcome) => outcome.firstRefusal)?.firstRefusal
  return {
    requests: latencies.length,
    seconds,
    refused: total((outcome) => outcome.refused),
    broken: total((outcome) => outcome.broken),
    p50Ms: percentile(0.5),
    p99Ms: percentile(0.99),
    ...(firstRefusal === undefined ? {} : { firstRefusal }),
  }
}
