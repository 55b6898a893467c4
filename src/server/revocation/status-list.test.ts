/** The encoding: the draft's own vectors, an independent library as oracle, and sizes on the wire. */
import { inflateSync } from 'node:zlib'
import { StatusList } from '@sd-jwt/jwt-status-list'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { compress, emptyBits, LIST_BITS, listOf, placeOf, setBit, statusReference } from './status-list.ts'

test('the 16 statuses of the draft (section 4.2) are written as the draft writes them', async () => {
  const bits = Buffer.alloc(2)
  for (const place of [0, 3, 4, 5, 7, 8, 9, 13, 15]) setBit(bits, place)
  expect(bits.toString('hex')).toBe('b9a3')
  expect(await compress(bits)).toBe('eNrbuRgAAhcBXQ')
})

/** The draft's test vector "1 bit Status List": 2^20 entries, these set. */
const vectorPlaces = [0, 1993, 25460, 159495, 495669, 554353, 645645, 723232, 854545, 934534, 1000345]
const vector =
  'eNrt3AENwCAMAEGogklACtKQPg9LugC9k_ACvreiogEAAKkeCQAAAAAAAAAAAAAAAAAAAIBylgQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAXG9IAAAAAAAAAPwsJAAAAAAAAAAAAAAAvhsSAAAAAAAAAAAA7KpLAAAAAAAAAAAAAAAAAAAAAJsLCQAAAAAAAAAAADjelAAAAAAAAAAAKjDMAQAAAACAZC8L2AEb'

test('the big vector of the draft (2^20 entries) holds the same bits as a list of ours', async () => {
  const bits = emptyBits()
  for (const place of vectorPlaces) setBit(bits, place)
  expect(inflateSync(Buffer.from(vector, 'base64url')).equals(bits)).toBe(true)
  expect((await compress(bits)).length).toBeLessThanOrEqual(vector.length)
})

test('an independent library reads every list bit by bit as it was written', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(fc.nat({ max: 4095 }), { maxLength: 200 }),
      fc.integer({ min: 512, max: 700 }),
      async (places, bytes) => {
        const bits = Buffer.alloc(bytes)
        for (const place of places) setBit(bits, place)
        const oracle = StatusList.decompressStatusList(await compress(bits), 1)
        for (let place = 0; place < bytes * 8; place += 1)
          expect(oracle.getStatus(place)).toBe(places.includes(place) ? 1 : 0)
      },
    ),
    { numRuns: 30 },
  )
})

test('a bit is news once; a place outside the list is refused', () => {
  const bits = emptyBits()
  expect(setBit(bits, LIST_BITS - 1)).toBe(true)
  expect(setBit(bits, LIST_BITS - 1)).toBe(false)
  expect(() => setBit(bits, LIST_BITS)).toThrow(RangeError)
})

test('every session has a place of its own: list and place together give its index back', () => {
  fc.assert(
    fc.property(fc.nat({ max: 2 ** 40 }), (index) => {
      expect(listOf(index) * LIST_BITS + placeOf(index)).toBe(index)
      expect(statusReference('https://a.example')(index)).toEqual({
        idx: placeOf(index),
        uri: `https://a.example/status-lists/${listOf(index)}`,
      })
    }),
  )
})

test('a million sessions with 1 % of them ended stay under 20 kB', async () => {
  const bits = emptyBits()
  let seed = 1
  for (let n = 0; n < 10_000; ) {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31
    if (setBit(bits, Math.floor((seed / 2 ** 31) * 1_000_000))) n += 1
  }
  expect((await compress(bits)).length).toBeLessThan(20_000)
})
