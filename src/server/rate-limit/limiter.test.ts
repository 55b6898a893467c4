/** Counting without Redis: in the process alone, and beside a Redis that is not there. */
import { afterAll, describe, expect, test } from 'vitest'
import { systemClock } from '../clock.ts'
import { createMemoryCache } from '../storage/cache.memory.ts'
import { createRedisCache } from '../storage/cache.redis.ts'
import { createMemoryLimiter, MAX_KEYS, type Windows } from '../storage/limiter.ts'
import { createConsume } from './limiter.ts'

const nowhere = createRedisCache({ url: 'redis://127.0.0.1:1' })
afterAll(() => nowhere.close())

describe.each([
  ['in the process', createMemoryCache({ clock: systemClock })],
  ['while Redis is away', nowhere],
])('%s', (_, cache) => {
  test('every key has its points, and a spent one is refused at once until its window ends', async () => {
    const consume = createConsume(cache, { name: 'points', points: 3, seconds: 60 })
    for (const remaining of [2, 1, 0]) expect(await consume('one')).toMatchObject({ allowed: true, remaining })
    expect(await consume('another')).toMatchObject({ allowed: true, remaining: 2 })
    const refused = consume('one')
    expect(refused).not.toBeInstanceOf(Promise)
    expect(refused).toMatchObject({ allowed: false, remaining: 0 })
    expect((await refused).resetMs).toBeGreaterThan(0)
    expect((await refused).resetMs).toBeLessThanOrEqual(60_000)
  })

  test('parallel consumers of one key get exactly its points', async () => {
    const consume = createConsume(cache, { name: 'crowd', points: 3, seconds: 60 })
    const all = await Promise.all(Array.from({ length: 20 }, () => consume('crowd')))
    expect(all.filter(({ allowed }) => allowed)).toHaveLength(3)
  })

  test('a spent key has its points again when its window ends', async () => {
    const consume = createConsume(cache, { name: 'short', points: 1, seconds: 1 })
    expect(await consume('one')).toMatchObject({ allowed: true })
    const refused = await consume('one')
    expect(refused.allowed).toBe(false)
    await new Promise((resolve) => setTimeout(resolve, refused.resetMs + 5))
    expect(await consume('one')).toMatchObject({ allowed: true, remaining: 0 })
  })
})

test('a flood of keys takes bounded memory: those beyond the bound share one count, and the known keep theirs', async () => {
  const windows: Windows = new Map()
  const { consume } = createMemoryLimiter({ name: 'flood', points: 3, seconds: 3600 }, windows)
  await consume('known')
  for (let n = 0; n < 2 * MAX_KEYS; n += 1) await consume(`address ${n}`)
  expect(windows.size).toBeLessThanOrEqual(MAX_KEYS + 1)
  expect(await consume('one more')).toMatchObject({ allowed: false, remaining: 0 })
  expect(await consume('known')).toMatchObject({ allowed: true, remaining: 1 })
})

test('windows that have ended make room for new keys', async () => {
  const windows: Windows = new Map()
  const limiter = createMemoryLimiter({ name: 'ended', points: 3, seconds: 1 }, windows)
  for (let n = 0; n < 100; n += 1) await limiter.consume(`address ${n}`)
  await new Promise((resolve) => setTimeout(resolve, 1005))
  await limiter.consume('another')
  expect(windows.size).toBe(1)
})
