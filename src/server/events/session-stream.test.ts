/** Session events are best effort, and the effort is bounded. */
import { expect, test, vi } from 'vitest'
import { testClock } from '../clock.ts'
import { createSessionEvents } from './session-stream.ts'

const clock = testClock(new Date('2026-01-01T00:00:00Z'))
const session = { sid: 's', userId: 'u' }

test('an entry says who, why, when, and until when an access token of the session may live', async () => {
  const append = vi.fn(async () => undefined)
  const events = createSessionEvents({ cache: { append }, clock, tokenTtlSeconds: 900, onLost: () => undefined })
  events.publish([session], 'logout')
  await events.stop()
  const entry = { sid: 's', user_id: 'u', reason: 'logout', at: '1767225600', exp: '1767226500' }
  expect(append.mock.calls).toEqual([['session-events', entry, 86_400_000]])
})

test('a cache that is away for a moment loses nothing', async () => {
  const onLost = vi.fn()
  const append = vi.fn(async () => undefined).mockRejectedValueOnce(new Error('away'))
  const events = createSessionEvents({ cache: { append }, clock, tokenTtlSeconds: 900, onLost })
  events.publish([session], 'logout')
  await vi.waitFor(() => expect(append).toHaveBeenCalledTimes(2), { timeout: 2000 })
  await events.stop()
  expect(onLost).not.toHaveBeenCalled()
})

test('a cache that stays away costs a bounded queue, is reported, and does not hold up the shutdown', async () => {
  const onLost = vi.fn()
  const append = vi.fn(async () => {
    throw new Error('away')
  })
  const events = createSessionEvents({ cache: { append }, clock, tokenTtlSeconds: 900, onLost })
  events.publish(Array(1500).fill(session), 'suspended')
  expect(onLost).toHaveBeenCalledTimes(500)
  await events.stop()
  expect(onLost).toHaveBeenCalledTimes(1500)
})
