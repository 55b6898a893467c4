/** What Redis alone can suffer: being down, frozen and back again. */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startRedis } from '../../dev/services/redis.ts'
import type { Service } from '../../dev/services/service.ts'
import { createRedisCache } from './cache.redis.ts'
import { type Cache, CacheUnavailable, type Limiter } from './cache.ts'

describe('Redis', () => {
  let server: Service
  let cache: ReturnType<typeof createRedisCache>
  let limiter: Limiter
  beforeAll(async () => {
    server = await startRedis()
    cache = createRedisCache({ url: server.url, onError: () => undefined })
    limiter = cache.limiter({ name: 'n', points: 1, seconds: 1 })
    await back()
  })
  afterAll(async () => {
    server.thaw()
    await cache.close()
    await server.stop()
  })

  const steps: [string, (cache: Cache) => Promise<unknown>][] = [
    ['get', (it) => it.get('k')],
    ['set', (it) => it.set('k', 'v', 1000)],
    ['setIfAbsent', (it) => it.setIfAbsent('k', 'v', 1000)],
    ['replace', (it) => it.replace('k', 'a', 'b', 1000)],
    ['delete', (it) => it.delete('k')],
    ['deleteIf', (it) => it.deleteIf('k', 'a')],
    ['consume', () => limiter.consume('k')],
    ['append', (it) => it.append('s', { a: 'b' }, 1000)],
  ]
  /** Settles each step; all must say CacheUnavailable. */
  async function refusedByAll(): Promise<void> {
    const results = await Promise.allSettled(steps.map(([, step]) => step(cache)))
    expect(results.map((one) => one.status === 'rejected' && one.reason instanceof CacheUnavailable)).toEqual(
      steps.map(() => true),
    )
  }
  /** Waits until it serves by itself; the deadline is generous, the point is that it comes back at all. */
  async function back(): Promise<void> {
    const deadline = Date.now() + 10_000
    while (Date.now() < deadline) {
      const value = await cache.get('k').then(
        () => true,
        () => false,
      )
      if (value) return
      await sleep(20)
    }
    throw new Error('the cache did not come back')
  }
  /** Whether it gives up before `ms`, which is far from what it should take. */
  const within = (ms: number, work: Promise<unknown>) => Promise.race([work.then(() => true), sleep(ms, false)])

  test('every step says CacheUnavailable while the server is down, at once, and works again after it came back', async () => {
    await server.kill()
    expect(await within(3000, refusedByAll())).toBe(true)
    expect(cache.available()).toBe(false)
    expect(await within(3000, Promise.all(Array.from({ length: 50 }, refusedByAll)))).toBe(true)
    await server.restart()
    await back()
    expect(cache.available()).toBe(true)
    await Promise.all(steps.map(([, step]) => step(cache)))
  })

  test('a frozen server costs one time limit: what follows fails without waiting, until it answers again', async () => {
    server.freeze()
    await refusedByAll()
    // 30 rounds one after another: at a time limit each they would need 15 s.
    const rounds = (async () => {
      for (let round = 0; round < 30; round += 1) await refusedByAll()
    })()
    expect(await within(8000, rounds)).toBe(true)
    expect(cache.available()).toBe(false)
    server.thaw()
    await back()
    expect(cache.available()).toBe(true)
  })

  test('a frozen server sheds nobody, however many wait: all are told that the cache is away', async () => {
    server.freeze()
    const waiting = Promise.allSettled(Array.from({ length: 6000 }, (_, index) => cache.set(`k${index}`, 'v', 1000)))
    const reasons = (await waiting).map((one) => one.status === 'rejected' && one.reason instanceof CacheUnavailable)
    expect(new Set(reasons)).toEqual(new Set([true]))
    server.thaw()
    await back()
  })

  test('a full server refuses writes and goes on with reads, and takes writes again when there is room', async () => {
    await cache.set('kept', 'v', 60_000)
    await cache.redis.call('CONFIG', 'SET', 'maxmemory', '1')
    const writes = await Promise.allSettled(
      Array.from({ length: 100 }, (_, index) => cache.set(`k${index}`, 'v', 1000)),
    )
    expect(new Set(writes.map((one) => one.status === 'rejected' && one.reason instanceof CacheUnavailable))).toEqual(
      new Set([true]),
    )
    expect(await cache.get('kept')).toBe('v')
    await cache.redis.call('CONFIG', 'SET', 'maxmemory', '0')
    expect(await cache.setIfAbsent('claimed', 'v', 60_000)).toBe(true)
  })

  test('a cache that is made while the server is down serves once it is there', async () => {
    await server.kill()
    const early = createRedisCache({ url: server.url, onError: () => undefined })
    await expect(early.get('k')).rejects.toThrow(CacheUnavailable)
    await server.restart()
    await back()
    while (!early.available()) await sleep(20)
    expect(await early.get('k')).toBeUndefined()
    await early.close()
  })
})
