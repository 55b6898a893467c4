/** When a signing key is pending, active, retiring and gone, to the second; the promises over time are in schedule.test.ts. */
import { expect, test } from 'vitest'
import {
  activeKey,
  decide,
  keyState,
  leadSeconds,
  listedKeys,
  nextGeneration,
  nextPending,
  type RingKey,
  reloadSeconds,
  type Schedule,
  shownKey,
  signsUntil,
} from './schedule.ts'

const at = (seconds: number) => new Date(seconds * 1000)

const usual: Schedule = {
  alg: 'ES256',
  rotationSeconds: 1000,
  publishAheadSeconds: 100,
  jwksMaxAgeSeconds: 60,
  tokenTtlSeconds: 90,
}
const ringKey = (generation: number, activates: number, retired?: number): RingKey => ({
  kid: `k${generation}`,
  generation,
  alg: 'ES256',
  publishedAt: at(activates - 100),
  activatesAt: at(activates),
  retiredAt: retired === undefined ? null : at(retired),
})

test('a key is published to the second until its last signature, the lifetime of a token, five minutes and max-age have passed', () => {
  const keys = [ringKey(1, 0), ringKey(2, 1000)]
  const [first] = keys as [RingKey, RingKey]
  expect(signsUntil(first, keys)).toEqual(at(1000))
  const gone = 1000 + 90 + 300 + 60
  expect([999.999, 1000, gone, gone + 0.001].map((now) => keyState(first, keys, at(now), usual))).toEqual([
    'active',
    'retiring',
    'retiring',
    'gone',
  ])
})

test('a key signs from the very moment that it is due, and of two that are due at once the one of the later generation', () => {
  const keys = [ringKey(3, 1000), ringKey(1, 0), ringKey(2, 1000)]
  expect(activeKey(keys, at(999.999))?.kid).toBe('k1')
  expect(activeKey(keys, at(1000))?.kid).toBe('k3')
  // The other one had its turn without signing.
  expect(keyState(keys[2] as RingKey, keys, at(1000), usual)).toBe('retiring')
  expect(signsUntil(keys[1] as RingKey, keys)).toEqual(at(1000))
  expect(nextPending(keys, at(999.999))?.kid).toBe('k2')
  expect(nextPending(keys, at(1000))).toBeUndefined()
  expect(nextPending([ringKey(2, 50, 10)], at(20))).toBeUndefined()
})

test('the newest key signs until a newer one does, though nobody knows when', () => {
  const keys = [ringKey(1, 0)]
  expect(signsUntil(keys[0] as RingKey, keys)).toBeUndefined()
  expect(keyState(keys[0] as RingKey, keys, at(1e6), usual)).toBe('active')
  // Before any is due, the first of them.
  expect(activeKey([ringKey(2, 200), ringKey(1, 100)], at(0))?.kid).toBe('k1')
  expect(activeKey([ringKey(1, 0, 5)], at(10))).toBeUndefined()
})

test('a key is added once what is left of the rotation is the lead, and generations count on', () => {
  const lead = leadSeconds(usual)
  expect(lead).toBe(104)
  const keys = [ringKey(4, 0)]
  expect(decide(keys, at(1000 - lead - 0.001), usual)).toEqual({ add: false })
  expect(decide(keys, at(1000 - lead), usual)).toEqual({ add: true, generation: 5, activatesAt: at(1000) })
  expect(decide([], at(7), usual)).toEqual({ add: true, generation: 1, activatesAt: at(7) })
  expect(decide([...keys, ringKey(5, 1000)], at(999), usual)).toEqual({ add: false })
  expect(decide(keys, at(1), { ...usual, alg: 'EdDSA' })).toEqual({
    add: true,
    generation: 5,
    activatesAt: at(1 + lead),
  })
  expect(nextGeneration([])).toBe(1)
  expect([1000, 20, 10, 2.5, 1].map((publishAheadSeconds) => reloadSeconds({ ...usual, publishAheadSeconds }))).toEqual(
    [2, 2, 1, 0.25, 0.25],
  )
})

test('operators read of each key its state and until when it signs', () => {
  const keys = [ringKey(1, 0), ringKey(2, 1000), ringKey(3, 50, 20)]
  expect(listedKeys(keys, at(500), usual).map(shownKey)).toEqual([
    { kid: 'k1', alg: 'ES256', state: 'active', published_at: at(-100), activates_at: at(0), signs_until: at(50) },
    { kid: 'k2', alg: 'ES256', state: 'pending', published_at: at(900), activates_at: at(1000), signs_until: null },
    { kid: 'k3', alg: 'ES256', state: 'gone', published_at: at(-50), activates_at: at(50), signs_until: at(1000) },
  ])
})
