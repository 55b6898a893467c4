/** The cache on Redis, shared by all replicas; every command touches one key, so that it works on a Cluster too. */
import type { Cluster, Redis } from 'ioredis'
import type { Span } from '../span.ts'
import { type Cache, CacheUnavailable } from './cache.ts'
import { createRedisLimiter } from './limiter.ts'
import { connectRedis } from './redis.ts'

const replaceScript = `if redis.call('get', KEYS[1]) == ARGV[1] then redis.call('set', KEYS[1], ARGV[2], 'PX', ARGV[3]) return 1 end return 0`
const deleteIfScript = `if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0`
const incrementScript = `local n = redis.call('incr', KEYS[1]) if n == 1 then redis.call('pexpire', KEYS[1], ARGV[1]) end return n`

export type RedisOptions = {
  url: string
  keyPrefix?: string
  onError?: (error: Error) => void
  span?: Span | undefined
}

export function createRedisCache({
  url,
  keyPrefix = 'gateway:',
  onError,
  span,
}: RedisOptions): Cache & { redis: Redis | Cluster } {
  const { client: redis, run, available, close } = connectRedis({ url, keyPrefix, onError })

  async function guarded<T>(name: string, key: string, command: () => Promise<T>): Promise<T> {
    try {
      return await (span ? span(`redis ${name}`, () => run(key, command)) : run(key, command))
    } catch (error) {
      throw new CacheUnavailable(error)
    }
  }
  const wholeMs = (ttlMs: number) => Math.max(1, Math.ceil(ttlMs))

  return {
    redis,
    get: (key) => guarded('get', key, async () => (await redis.get(key)) ?? undefined),
    set: (key, value, ttlMs) =>
      guarded('set', key, async () => void (await redis.set(key, value, 'PX', wholeMs(ttlMs)))),
    setIfAbsent: (key, value, ttlMs) =>
      guarded('setIfAbsent', key, async () => (await redis.set(key, value, 'PX', wholeMs(ttlMs), 'NX')) === 'OK'),
    replace: (key, expected, value, ttlMs) =>
      guarded(
        'replace',
        key,
        async () => (await redis.eval(replaceScript, 1, key, expected, value, wholeMs(ttlMs))) === 1,
      ),
    delete: (key) => guarded('delete', key, async () => void (await redis.del(key))),
    deleteIf: (key, expected) =>
      guarded('deleteIf', key, async () => (await redis.eval(deleteIfScript, 1, key, expected)) === 1),
    increment: (key, ttlMs) =>
      guarded('increment', key, async () => Number(await redis.eval(incrementScript, 1, key, wholeMs(ttlMs)))),
    append: (stream, entry, keepMs) =>
      guarded(
        'append',
        stream,
        async () =>
          void (await redis.xadd(stream, 'MINID', '~', Date.now() - keepMs, '*', ...Object.entries(entry).flat())),
      ),
    limiter: (options) => createRedisLimiter({ redis, guarded }, options),
    available,
    close: async () => close(),
  }
}
