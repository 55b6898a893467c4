/** Medians and ratios: rounds alternate between contestants, and a ratio is taken inside a round, where the machine was the same. */

import type { Sample } from './scenarios.ts'

/** Samples by contestant, one a round; a round in which it could not take part is undefined. */
export type Rounds = Map<string, (Sample | undefined)[]>

/** The same as it is kept in JSON, which writes undefined as null. */
export type SavedRounds = Record<string, (Sample | null | undefined)[]>

export const roundsOf = (saved: SavedRounds): Rounds =>
  new Map(Object.entries(saved).map(([name, samples]) => [name, samples.map((sample) => sample ?? undefined)]))

/** Requests refused or left without an answer. */
export function failuresIn(all: SavedRounds[]): number {
  const samples = all.flatMap((rounds) => Object.values(rounds).flat())
  return samples.reduce((sum, sample) => sum + (sample ? sample.refused + sample.broken : 0), 0)
}

export function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}

export function medianOf(rounds: Rounds, name: string, value: (sample: Sample) => number): number {
  return median((rounds.get(name) ?? []).filter((sample) => sample !== undefined).map(value))
}

/** The median over the rounds of `name`'s value divided by `other`'s; NaN when they never met. */
export function ratioOf(rounds: Rounds, name: string, other: string, value: (sample: Sample) => number): number {
  const others = rounds.get(other) ?? []
  const ratios = (rounds.get(name) ?? []).flatMap((sample, round) => {
    const against = others[round]
    return sample && against ? [value(sample) / value(against)] : []
  })
  return median(ratios)
}
