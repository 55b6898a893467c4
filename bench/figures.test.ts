import { expect, test } from 'vitest'
import { median, type Rounds, ratioOf } from './figures.ts'
import type { Sample } from './scenarios.ts'

const speed = (perSecond: number) => ({ perSecond }) as Sample

test('a ratio is taken inside each round, so that a slow moment of the machine touches both sides', () => {
  const rounds: Rounds = new Map([
    ['gateway', [speed(100), speed(10), speed(90)]],
    ['bare', [speed(50), speed(5), speed(30)]],
  ])
  expect(ratioOf(rounds, 'gateway', 'bare', (sample) => sample.perSecond)).toBe(2)
})

test('a round that one side could not run does not count', () => {
  const rounds: Rounds = new Map([
    ['gateway', [undefined, speed(30)]],
    ['bare', [speed(1), speed(10)]],
  ])
  expect(ratioOf(rounds, 'gateway', 'bare', (sample) => sample.perSecond)).toBe(3)
  expect(ratioOf(rounds, 'gateway', 'django', (sample) => sample.perSecond)).toBeNaN()
})

test('the median of an even number of values lies between the middle two', () => {
  expect(median([4, 1, 3, 100])).toBe(3.5)
})
