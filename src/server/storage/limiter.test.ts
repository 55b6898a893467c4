/** Counting without Redis: in the process alone, and beside a Redis that is not there. */
import { afterAll, expect, test } from 'vitest'
import { createRedisCache } from './cache.redis.ts'
import type { Limiter } from './cache.ts'
import { createMemoryLimiter } from './limiter.ts'

const nowhere = createRedisCache({ url: 'redis://127.0.0.1:1' })
afterAll(() => nowhere.close())

const options = { name: 'test', points: 3, seconds: 60 }
const kinds: [string, Limiter][] = [
  ['in the process', createMemoryLimiter(options)],
  ['while Redis is away', nowhere.limiter(options)],
]

test.each(kinds)(
  '%s every key has its points, and a spent one is refused at once until its window ends',
  async (_, limiter) => {
    for (const remaining of [2, 1, 0]) expect(await limiter.take('one')).toMatchObject({ allowed: true, remaining })
    expect(await limiter.take('another')).toMatchObject({ allowed: true, remaining: 2 })
    const refused = limiter.take('one')
    expect(refused).not.toBeInstanceOf(Promise)
    expect(refused).toMatchObject({ allowed: false, remaining: 0 })
    expect((await refused).resetSeconds).toBeGreaterThan(0)
    expect((await refused).resetSeconds).toBeLessThanOrEqual(60)
  },
)

test.each(kinds)('%s parallel takers of one key get exactly its points', async (_, limiter) => {
  const taken = await Promise.all(Array.from({ length: 20 }, () => limiter.take('crowd')))
  expect(taken.filter(({ allowed }) => allowed)).toHaveLength(3)
})
