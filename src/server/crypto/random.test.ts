/** Random values: never the same twice, untouched once given, and in the form that they are said to have. */
import { expect, test } from 'vitest'
import { randomBytes, randomToken, uuidv7 } from './random.ts'

test('twenty thousand tokens are all different, 22 characters of base64url each', () => {
  const tokens = Array.from({ length: 20_000 }, randomToken)
  expect(new Set(tokens).size).toBe(tokens.length)
  for (const token of tokens) expect(token).toMatch(/^[\w-]{22}$/)
})

test('bytes that were given stay as they are, however many are given after them', () => {
  const kept = Array.from({ length: 2_000 }, () => randomBytes(16))
  const copies = kept.map((bytes) => bytes.toString('hex'))
  for (let given = 0; given < 2_000; given += 1) randomBytes(16)
  expect(kept.map((bytes) => bytes.toString('hex'))).toEqual(copies)
  kept[0]?.fill(0)
  expect(kept[1]?.toString('hex')).toBe(copies[1])
})

test('no two of the bytes that are given share a place in the block they were cut from', () => {
  // Halves of one value would come back in its neighbour if a cut overlapped the one before it.
  const seen = new Set<string>()
  const cuts = [12, 16, 32, 16, 8].flatMap((size) => Array.from({ length: 600 }, () => randomBytes(size)))
  for (const [index, size] of [12, 16, 32, 16, 8].entries())
    for (const cut of cuts.slice(index * 600, (index + 1) * 600)) {
      expect(cut.length).toBe(size)
      for (let at = 0; at + 8 <= size; at += 1) seen.add(cut.subarray(at, at + 8).toString('hex'))
    }
  expect(seen.size).toBe(600 * (5 + 9 + 25 + 9 + 1))
})

test('each bit is as often 1 as 0', () => {
  const bytes = Array.from({ length: 4_000 }, () => randomBytes(16))
  for (let bit = 0; bit < 128; bit += 1) {
    const ones = bytes.filter((each) => ((each[bit >> 3] ?? 0) >> (bit & 7)) & 1).length
    // Eight standard deviations: never by chance.
    expect(Math.abs(ones - 2_000)).toBeLessThan(8 * Math.sqrt(1_000))
  }
})

test('a UUID of version 7 says its milliseconds, its version and its variant, and sorts by time', () => {
  const at = new Date('2026-03-01T12:34:56.789Z')
  const made = Array.from({ length: 2_000 }, () => uuidv7(at))
  for (const id of made) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  for (const id of made) expect(Number.parseInt(id.slice(0, 13).replace('-', ''), 16)).toBe(at.getTime())
  expect(new Set(made).size).toBe(made.length)
  expect(uuidv7(new Date(at.getTime() + 1)) > (made.at(-1) ?? '')).toBe(true)
  // 74 bits of it are random (RFC 9562 section 5.7): each of them is 1 in some and 0 in others.
  const hex = made.map((id) => BigInt(`0x${id.replaceAll('-', '')}`))
  const ones = hex.reduce((all, id) => all | id, 0n)
  const always = hex.reduce((all, id) => all & id, (1n << 128n) - 1n)
  const varying = (ones & ~always).toString(2).replaceAll('0', '').length
  expect(varying).toBe(74)
})
