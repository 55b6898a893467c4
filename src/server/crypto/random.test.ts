/** Random values are cut from a block: none may come twice, and none may change under whoever keeps it. */
import { expect, test } from 'vitest'
import { randomBytes, randomToken, uuidv7 } from './random.ts'

const MANY = 20_000

test('tokens, ids and nonces never repeat', () => {
  const now = new Date('2026-01-01T00:00:00Z')
  const made = { tokens: new Set<string>(), ids: new Set<string>(), nonces: new Set<string>() }
  for (let each = 0; each < MANY; each += 1) {
    made.tokens.add(randomToken())
    made.ids.add(uuidv7(now))
    made.nonces.add(randomBytes(12).toString('hex'))
  }
  expect([made.tokens.size, made.ids.size, made.nonces.size]).toEqual([MANY, MANY, MANY])
})

test('bytes that somebody keeps stay as they were, however many are made after them', () => {
  const kept = Array.from({ length: 600 }, () => randomBytes(16))
  const before = kept.map((bytes) => bytes.toString('hex'))
  for (let each = 0; each < MANY; each += 1) randomBytes(16).fill(0)
  expect(kept.map((bytes) => bytes.toString('hex'))).toEqual(before)
})

test('every bit is as often 1 as 0', () => {
  const ones = Array<number>(128).fill(0)
  for (let each = 0; each < MANY; each += 1) {
    const bytes = randomBytes(16)
    for (let bit = 0; bit < 128; bit += 1) ones[bit] = (ones[bit] ?? 0) + (((bytes[bit >> 3] ?? 0) >> (bit & 7)) & 1)
  }
  // Seven standard deviations: once in 3,000,000,000 runs by chance.
  for (const count of ones) expect(Math.abs(count - MANY / 2)).toBeLessThan(500)
})
