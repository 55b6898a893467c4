/** One contract for both caches, with races; and what Redis alone can suffer: being down, frozen and back again. */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { openTestStores, type TestStores } from '../dev/real-stores.ts'
import type { Service } from '../dev/services.ts'
import { startRedis } from '../dev/services-redis.ts'
import { createRedisCache } from './cache.redis.ts'
import { type Cache, CacheUnavailable } from './cache.ts'

describe('the cache', () => {
  let stores: TestStores
  let one: Cache
  let other: Cache
  beforeAll(async () => {
    stores = await openTestStores()
    one = stores.cache
    other = stores.replica().cache
    while (!other.available()) await sleep(5)
  })
  afterAll(() => stores.close())

  /** The same step many times at once, from two replicas. */
  const race = <T>(step: (cache: Cache, index: number) => Promise<T>) =>
    Promise.all(Array.from({ length: 100 }, (_, index) => step(index % 2 ? one : other, index)))
  const winners = (results: boolean[]) => results.filter(Boolean).length

  test('what is set is there for every replica, byte for byte, and replaced by the next', async () => {
    for (const value of ['', 'text', '中文 😀', 'a\0b', 'x'.repeat(100_000)]) {
      await one.set('plain', value, 60_000)
      expect(await other.get('plain')).toBe(value)
    }
    expect(await one.get('nothing')).toBeUndefined()
  })

  test('of parallel setIfAbsent on one key exactly one wins, and its value stays', async () => {
    const results = await race((cache, index) => cache.setIfAbsent('absent', String(index), 60_000))
    expect(winners(results)).toBe(1)
    expect(await one.get('absent')).toBe(String(results.indexOf(true)))
  })

  test('of parallel replace of one value exactly one wins', async () => {
    await one.set('swap', 'old', 60_000)
    const results = await race((cache, index) => cache.replace('swap', 'old', `new ${index}`, 60_000))
    expect(winners(results)).toBe(1)
    expect(await other.get('swap')).toBe(`new ${results.indexOf(true)}`)
    expect(await one.replace('not there', '', 'x', 60_000)).toBe(false)
    expect(await one.get('not there')).toBeUndefined()
  })

  test('of parallel deleteIf of one value exactly one wins, and another value is left alone', async () => {
    await one.set('take', 'mine', 60_000)
    expect(await one.deleteIf('take', 'theirs')).toBe(false)
    expect(await one.get('take')).toBe('mine')
    expect(winners(await race((cache) => cache.deleteIf('take', 'mine')))).toBe(1)
    expect(await one.get('take')).toBeUndefined()
  })

  test('delete takes a key away, and one that is not there is no error', async () => {
    await one.set('gone', 'x', 60_000)
    await other.delete('gone')
    await other.delete('gone')
    expect(await one.get('gone')).toBeUndefined()
  })

  test('parallel increments give every number once', async () => {
    const counts = await race((cache) => cache.increment('count', 60_000))
    expect(counts.sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, index) => index + 1))
  })

  test('a value ends with its lifetime, for every way to ask', async () => {
    await Promise.all([one.set('short', 'x', 40), one.setIfAbsent('claim', 'x', 40), one.increment('window', 40)])
    await one.set('moved', 'a', 60_000)
    await one.replace('moved', 'a', 'b', 40)
    await sleep(80)
    expect(await Promise.all(['short', 'moved'].map((key) => other.get(key)))).toEqual([undefined, undefined])
    expect(await one.setIfAbsent('claim', 'y', 60_000)).toBe(true)
    expect(await one.replace('short', 'x', 'y', 60_000)).toBe(false)
    expect(await one.increment('window', 60_000)).toBe(1)
  })

  test('the lifetime of a count starts with the first and is not renewed by those that follow', async () => {
    await one.increment('fixed', 120)
    await sleep(70)
    expect(await one.increment('fixed', 120)).toBe(2)
    await sleep(70)
    expect(await one.increment('fixed', 120)).toBe(1)
  })

  test('a fraction of a millisecond is still a lifetime', async () => {
    await one.set('blink', 'x', 0.2)
    await sleep(10)
    expect(await one.get('blink')).toBeUndefined()
  })

  test('a stream takes entries', async () => {
    await one.append('stream', { kind: 'a', at: '1' }, 60_000)
    await other.append('stream', { kind: 'b' }, 60_000)
  })
})

describe.runIf(inject('stores') === 'real')('Redis', () => {
  let server: Service
  let cache: ReturnType<typeof createRedisCache>
  beforeAll(async () => {
    server = await startRedis()
    cache = createRedisCache({ url: server.url, onError: () => undefined })
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
    ['increment', (it) => it.increment('n', 1000)],
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
