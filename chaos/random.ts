/** Chance that can be repeated: the same seed draws the same numbers, so a failed run can be run again. */

export type Random = {
  /** From 0 up to, not including, 1. */
  next(): number
  between(low: number, high: number): number
  whole(below: number): number
  chance(probability: number): boolean
  shuffled<T>(items: readonly T[]): T[]
}

/** Mulberry32: 32 bits of state are plenty for choosing what to break next. */
export function createRandom(seed: number): Random {
  let state = seed >>> 0
  function next(): number {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const whole = (below: number) => Math.floor(next() * below)

  return {
    next,
    between: (low, high) => low + next() * (high - low),
    whole,
    chance: (probability) => next() < probability,
    shuffled<T>(items: readonly T[]): T[] {
      const left = [...items]
      const order: T[] = []
      while (left.length > 0) order.push(...left.splice(whole(left.length), 1))
      return order
    },
  }
}
