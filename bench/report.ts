/** The tables that a person reads. */

import { medianOf, type Rounds, ratioOf } from './figures.ts'
import type { Goal } from './goals.ts'
import type { Sample, Scenario } from './scenarios.ts'
import type { StartUp } from './start-up.ts'

/** `cores` tells which side was the limit: a single-threaded process cannot use more than 1.0. */
export function scenarioTable(scenario: Scenario, rounds: Rounds): string {
  const names = [...rounds.keys()].filter((name) => rounds.get(name)?.some((sample) => sample !== undefined))
  const head = [
    '',
    '/s',
    'min-max',
    'p50 ms',
    'p99 ms',
    'x bare',
    'x batched',
    'own',
    'postgres',
    'redis',
    'wechat',
    'load',
  ]
  const rows = names.map((name) => {
    const own = (value: (sample: Sample) => number) => medianOf(rounds, name, value)
    const speeds = (rounds.get(name) ?? []).flatMap((sample) => (sample ? [sample.perSecond] : []))
    const cores = (part: keyof Sample['cpuMs']) => own((sample) => (sample.cpuMs[part] * sample.perSecond) / 1000)
    const cost = (part: keyof Sample['cpuMs']) => `${own((s) => s.cpuMs[part]).toFixed(3)} (${cores(part).toFixed(1)})`
    const against = (other: string) => {
      const ratio = ratioOf(rounds, name, other, (sample) => sample.perSecond)
      return Number.isNaN(ratio) ? '-' : ratio.toFixed(2)
    }
    return [
      name,
      own((sample) => sample.perSecond).toFixed(0),
      `${Math.min(...speeds).toFixed(0)}-${Math.max(...speeds).toFixed(0)}`,
      own((sample) => sample.p50Ms).toFixed(1),
      own((sample) => sample.p99Ms).toFixed(1),
      against('bare'),
      against('batched'),
      cost('own'),
      cost('postgres'),
      cost('redis'),
      cost('wechat'),
      cost('load'),
    ]
  })
  return `\n${scenario.title}   [CPU ms per request (cores busy)]\n${table([head, ...rows])}`
}

export function startUpTable(startUp: Map<string, StartUp>): string {
  const rows = [...startUp].map(([name, { startMs, restMegabytes }]) => [
    name,
    startMs.toFixed(0),
    restMegabytes.toFixed(0),
  ])
  return `\nstart\n${table([['', 'first 200, ms', 'at rest, MB'], ...rows])}`
}

export function goalTable(goals: Goal[], subject: string): string {
  const rows = goals.map(({ what, wanted, found, met }) => [
    what,
    wanted,
    found.toFixed(found < 10 ? 2 : 0),
    met ? 'met' : 'MISSED',
  ])
  return `\ngoals, as ${subject} stands\n${table([['', 'wanted', 'found', ''], ...rows])}`
}

export function table(rows: string[][]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)))
  const line = (row: string[]) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('  ')
  return rows.map(line).join('\n')
}
