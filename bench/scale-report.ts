/** The tables of `bench/scale.ts`: every size beside the smallest. */

import { medianOf, type Rounds, ratioOf, roundsOf, type SavedRounds } from './figures.ts'
import { type Goal, goalsOf } from './goals.ts'
import type { Purge } from './purge.ts'
import { goalTable, table } from './report.ts'
import type { Sample } from './scenarios.ts'

/** A database with its gateway. */
export type Town = {
  name: string
  /** Loaded before anything else. */
  users: number
  /** Who logs in, at random. */
  active: number
  loadSeconds: number
  megabytes: number
  /** The gateway's memory at the end, at rest. */
  restMegabytes: number
}

export type ScaleResult = {
  rounds: number
  seconds: number
  /** PostgreSQL's own cache. */
  sharedBuffersMegabytes: number
  towns: Town[]
  scenarios: Record<string, SavedRounds>
  purge?: Purge
}

const p99 = (sample: Sample) => sample.p99Ms
const perSecond = (sample: Sample) => sample.perSecond
const number = (value: number) => value.toLocaleString('en')

export function scaleTables(result: ScaleResult): string {
  const scenarios = Object.entries(result.scenarios).map(([name, saved]) => scaleTable(name, result, roundsOf(saved)))
  const tables = [townTable(result), ...scenarios]
  if (result.purge) tables.push(purgeTable(result.purge))
  return [...tables, goalTable(scaleGoals(result), 'scale')].join('\n')
}

function townTable({ towns, scenarios, sharedBuffersMegabytes }: ScaleResult): string {
  const peak = (name: string) =>
    Math.max(
      ...Object.values(scenarios).flatMap((saved) => (saved[name] ?? []).map((sample) => sample?.peakMegabytes ?? 0)),
    )
  const rows = towns.map((town) => [
    number(town.users),
    number(town.active),
    town.loadSeconds.toFixed(0),
    number(Math.round(town.megabytes)),
    peak(town.name).toFixed(0),
    town.restMegabytes.toFixed(0),
  ])
  const head = ['users and sessions', 'who log in', 'load s', 'database MB', 'gateway MB, peak', 'at rest']
  return `\ndatabases, on one PostgreSQL with ${number(sharedBuffersMegabytes)} MB of shared buffers\n${table([head, ...rows])}`
}

function scaleTable(name: string, { towns }: ScaleResult, rounds: Rounds): string {
  const smallest = towns[0]?.name ?? ''
  const rows = towns.map((town) => {
    const own = (value: (sample: Sample) => number) => medianOf(rounds, town.name, value)
    const against = (value: (sample: Sample) => number) => ratioOf(rounds, town.name, smallest, value).toFixed(2)
    return [
      number(town.users),
      own(perSecond).toFixed(0),
      against(perSecond),
      own((sample) => sample.p50Ms).toFixed(1),
      own(p99).toFixed(1),
      against(p99),
      own((sample) => sample.cpuMs.own).toFixed(3),
      own((sample) => sample.cpuMs.postgres).toFixed(3),
    ]
  })
  const head = [name, '/s', 'x smallest', 'p50 ms', 'p99 ms', 'x smallest', 'gateway CPU ms', 'postgres CPU ms']
  return `\n${table([head, ...rows])}`
}

function purgeTable({ expired, scenarios, deletedPerSecond, left }: Purge): string {
  const rows = Object.entries(scenarios).map(([name, saved]) => {
    const rounds = roundsOf(saved)
    const of = (state: string) => medianOf(rounds, state, p99).toFixed(1)
    return [name, of('quiet'), of('purging'), ratioOf(rounds, 'purging', 'quiet', p99).toFixed(2)]
  })
  const title = `purge of ${number(expired)} expired sessions: ${number(Math.round(deletedPerSecond))} a second under load, ${left} left`
  return `\n${title}\n${table([['', 'p99 ms without', 'p99 ms during', 'ratio'], ...rows])}`
}

export function scaleGoals({ towns, scenarios, purge }: ScaleResult): Goal[] {
  const [smallest] = towns
  const largest = towns.at(-1)
  if (!smallest || !largest) return []
  const grown = Object.entries(scenarios).map(([name, saved]) => ({
    what: `${name}: p99 at ${number(largest.users)} / at ${number(smallest.users)}`,
    atMost: 1.25,
    found: ratioOf(roundsOf(saved), largest.name, smallest.name, p99),
  }))
  const purged = Object.entries(purge?.scenarios ?? {}).map(([name, saved]) => ({
    what: `${name}: p99 while purging / without`,
    atMost: 1.5,
    found: ratioOf(roundsOf(saved), 'purging', 'quiet', p99),
  }))
  const memory = {
    what: `gateway memory at rest at ${number(largest.users)} / at ${number(smallest.users)}`,
    atMost: 1.25,
    found: largest.restMegabytes / smallest.restMegabytes,
  }
  return goalsOf([...grown, ...purged, memory])
}
