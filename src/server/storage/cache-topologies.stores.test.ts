/** The cache on a real Redis Cluster and behind real Sentinels: the same contract, and a master that dies or freezes is replaced. */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { type RedisGroup, startRedisCluster, startRedisSentinel } from '../../dev/services/redis-topologies.ts'
import type { Service } from '../../dev/services/service.ts'
import { describeCache } from '../../dev/testing/cache-contract.ts'
import { createRedisCache } from './cache.redis.ts'
import { type Cache, CacheUnavailable } from './cache.ts'

/** Far beyond what a failover takes; the point is that it comes to pass without a restart. */
const FAILOVER_DEADLINE_MS = 20_000
/** Far beyond the time limit of one command, and far below what it takes to wait for a failover. */
const SOON_MS = 900

const open = async (url: string) => {
  const cache = createRedisCache({ url, keyPrefix: 'test:', onError: () => undefined })
  await until(() => cache.available())
  return cache
}
async function until(ready: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + FAILOVER_DEADLINE_MS
  while (!(await ready())) {
    if (Date.now() > deadline) throw new Error('it did not come to pass')
    await sleep(20)
  }
}
/** Enough keys to be on every master of a Cluster. */
const keys = Array.from({ length: 60 }, (_, index) => `key ${index}`)
const fill = (cache: Cache) => Promise.all(keys.map((key) => cache.set(key, `of ${key}`, 600_000)))

type Outcome = { key: string; value?: string | undefined; refused?: boolean; ms: number }
const readAll = (cache: Cache): Promise<Outcome[]> =>
  Promise.all(
    keys.map(async (key) => {
      const began = performance.now()
      const ms = () => performance.now() - began
      try {
        return { key, value: await cache.get(key), ms: ms() }
      } catch (error) {
        return { key, refused: error instanceof CacheUnavailable, ms: ms() }
      }
    }),
  )
const failed = (outcomes: Outcome[]) => outcomes.filter((one) => one.refused !== undefined)

/** Takes a master away while the cache is in use; it must refuse soon and never wait long, then serve again with every value kept. */
async function survives(cache: Cache, takeAway: () => Promise<void>): Promise<void> {
  await fill(cache)
  // Replication is asynchronous: what is asked to survive must have arrived.
  await sleep(200)
  await takeAway()
  const seen: Outcome[] = []
  await until(async () => {
    const outcomes = await readAll(cache)
    seen.push(...outcomes)
    return failed(outcomes).length === 0
  })
  expect(failed(seen).length).toBeGreaterThan(0)
  expect(failed(seen).every((one) => one.refused)).toBe(true)
  expect(Math.max(...seen.map((one) => one.ms))).toBeLessThan(SOON_MS)
  expect((await readAll(cache)).map((one) => one.value)).toEqual(keys.map((key) => `of ${key}`))
  await fill(cache)
  await until(() => cache.available())
}

describe.runIf(inject('stores') === 'real')('a Redis Cluster of three masters and three replicas', () => {
  let cluster: RedisGroup
  beforeAll(async () => {
    cluster = await startRedisCluster()
  })
  afterAll(() => cluster?.stop())

  describeCache('the cache on it', async () => {
    const [one, other] = [await open(cluster.url), await open(cluster.url)]
    return { one, other, close: async () => void (await Promise.all([one.close(), other.close()])) }
  })

  test('where a server refuses keys of several slots in one command, as proxies before a Cluster do, each write goes alone', async () => {
    const [first] = cluster.masters
    const cache = createRedisCache({ url: `redis://127.0.0.1:${first?.port}`, keyPrefix: 'test:' })
    await until(() => cache.available())
    const slotOf = async (key: string) => Number(await cache.redis.call('CLUSTER', 'KEYSLOT', `test:${key}`))
    const slots = await Promise.all(keys.map(slotOf))
    const own = keys.filter((_, index) => (slots[index] ?? 0) <= 5460)
    const claim = () => Promise.all(own.map((key) => cache.setIfAbsent(key, 'claimed', 600_000)))
    await Promise.all(own.map((key) => cache.delete(key)))
    expect(own.length).toBeGreaterThan(5)
    expect(new Set(await claim())).toEqual(new Set([true]))
    expect(new Set(await claim())).toEqual(new Set([false]))
    await cache.close()
  })

  test('one known node is enough to find the others, and keys are spread over all masters', async () => {
    const [first] = cluster.masters
    const cache = await open(`redis+cluster://127.0.0.1:${first?.port}`)
    await fill(cache)
    expect((await readAll(cache)).map((one) => one.value)).toEqual(keys.map((key) => `of ${key}`))
    const counts = await Promise.all(
      cluster.masters.map(async ({ url }) => {
        const server = createRedisCache({ url, onError: () => undefined })
        await until(() => server.available())
        const size = await server.redis.dbsize()
        await server.close()
        return size
      }),
    )
    expect(Math.min(...counts)).toBeGreaterThan(0)
    await cache.close()
  })

  test('limits are counted across replicas of the gateway', async () => {
    const caches = [await open(cluster.url), await open(cluster.url)]
    const limiters = caches.map((cache) => cache.limiter({ name: 'proof', points: 5, seconds: 60 }))
    const consumed = []
    for (let turn = 0; turn < 8; turn += 1) consumed.push((await limiters[turn % 2]?.consume('somebody'))?.allowed)
    expect(consumed).toEqual([true, true, true, true, true, false, false, false])
    await Promise.all(caches.map((cache) => cache.close()))
  })

  test('a master that is killed is replaced by its replica, and the cache serves again by itself', async () => {
    const cache = await open(cluster.url)
    const [victim] = cluster.masters
    await survives(cache, async () => await victim?.kill())
    await cache.close()
    await victim?.restart()
  })

  test('a master that freezes is replaced too, and meanwhile its part is refused without waiting', async () => {
    const cache = await open(cluster.url)
    const victim = cluster.masters[1] as Service
    await survives(cache, async () => victim.freeze())
    victim.thaw()
    await cache.close()
  })
})

describe.runIf(inject('stores') === 'real')('a Redis master with two replicas and three Sentinels', () => {
  let group: Awaited<ReturnType<typeof startRedisSentinel>>
  beforeAll(async () => {
    group = await startRedisSentinel()
  })
  afterAll(() => group?.stop())

  describeCache('the cache on it', async () => {
    const [one, other] = [await open(group.url), await open(group.url)]
    return { one, other, close: async () => void (await Promise.all([one.close(), other.close()])) }
  })

  test('a master that is killed is replaced, and the cache finds the new one by itself', async () => {
    const cache = await open(group.url)
    const master = group.masters[0] as Service
    await survives(cache, () => master.kill())
    // The old one comes back as a replica; nobody writes to it.
    await master.restart()
    await fill(cache)
    await cache.close()
  })

  test('a master that freezes is left as soon as the Sentinels chose another, even with one Sentinel dead', async () => {
    const cache = await open(group.url)
    const info = await cache.redis.info('server')
    const port = Number(/tcp_port:(\d+)/.exec(info)?.[1])
    const master = [...group.masters, ...group.replicas].find((one) => one.port === port) as Service
    await group.sentinels[0]?.kill()
    await survives(cache, async () => master.freeze())
    master.thaw()
    await cache.close()
  })
})
