/** `npm run chaos -- --hours 1`: a long run, written down as a picture and a short table of its beginning, middle and end. */

import type { Fault } from './faults.ts'
import { draw, type Panel } from './picture.ts'
import { aligned } from './report.ts'
import { quantile, type Sample } from './samples.ts'

export type SoakParts = { title: string; samples: readonly Sample[]; faults: readonly Fault[]; beganAt: number }

/** An hour is as many points as a picture is wide, a minute's run still some. */
export const sampleEveryMs = (seconds: number): number => Math.max(1000, (seconds * 1000) / 600)

const PARTS = ['first tenth', 'middle tenth', 'last tenth']

export function soakPicture({ title, samples, faults, beganAt }: SoakParts): string {
  return draw({
    title,
    at: samples.map(({ at }) => at),
    panels: panelsOf(samples),
    bands: faults.map(({ startedAt, endedAt }) => ({
      from: (startedAt - beganAt) / 1000,
      to: (endedAt - beganAt) / 1000,
    })),
  })
}

/** The median of each tenth, so that a fault or a garbage collection does not count. */
export function soakTable(samples: readonly Sample[]): string {
  const tenth = Math.max(1, Math.floor(samples.length / 10))
  const middle = Math.floor((samples.length - tenth) / 2)
  const rows = panelsOf(samples).flatMap(({ title, unit, lines }) =>
    lines.map(({ name, values }) => [
      `${title}, ${name} (${unit})`,
      ...[0, middle, samples.length - tenth].map((from) => medianOf(values.slice(from, from + tenth))),
    ]),
  )
  return aligned([['', ...PARTS], ...rows])
}

function medianOf(values: readonly number[]): string {
  const median = quantile(
    values.filter(Number.isFinite).toSorted((a, b) => a - b),
    0.5,
  )
  return Number.isFinite(median) ? median.toFixed(median < 100 ? 1 : 0) : '-'
}

function panelsOf(samples: readonly Sample[]): Panel[] {
  const replicas = samples[0]?.megabytes.map((_, index) => index) ?? []
  const ofEach = (what: 'megabytes' | 'openFiles') =>
    replicas.map((index) => ({
      name: `replica ${index + 1}`,
      values: samples.map((sample) => sample[what][index] ?? Number.NaN),
    }))
  return [
    { title: 'Memory', unit: 'MB resident', lines: ofEach('megabytes') },
    {
      title: 'Connections of all replicas',
      unit: 'open',
      lines: [
        { name: 'PostgreSQL', values: samples.map((sample) => sample.postgresConnections) },
        { name: 'Redis', values: samples.map((sample) => sample.redisConnections) },
      ],
    },
    { title: 'Open files and sockets', unit: 'open', lines: ofEach('openFiles') },
    {
      title: 'Latency',
      unit: 'ms',
      lines: [
        { name: 'median', values: samples.map(({ medianMs }) => medianMs) },
        { name: 'slowest percent', values: samples.map(({ slowestPercentMs }) => slowestPercentMs) },
      ],
    },
  ]
}
