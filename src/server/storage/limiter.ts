/** Counts uses by key within a window that begins with the first: in Redis for all replicas, or in this process, bounded. */
import type { Cluster, Redis } from 'ioredis'
import { RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible'
import type { Consumed, Limiter, LimiterOptions } from './cache.ts'

export type RedisLimiterParts = {
  redis: Redis | Cluster
  /** Runs a command; throws CacheUnavailable when Redis is away. */
  guarded<T>(name: string, key: string, command: () => Promise<T>): Promise<T>
}

export function createRedisLimiter(
  { redis, guarded }: RedisLimiterParts,
  { name, points, seconds }: LimiterOptions,
): Limiter {
  const keyPrefix = `limit:${name}`
  const library = new RateLimiterRedis({
    keyPrefix,
    points,
    duration: seconds,
    storeClient: redis,
    rejectIfRedisNotReady: true,
  })
  return {
    async consume(key) {
      const { consumedPoints, msBeforeNext } = await guarded('limit', `${keyPrefix}:${key}`, () =>
        // The library rejects with its result when the points are spent.
        library.consume(key).catch((refused: unknown) => {
          if (refused instanceof RateLimiterRes) return refused
          throw refused
        }),
      )
      return consumedOf(consumedPoints, points, msBeforeNext)
    },
  }
}

/** Beyond this many keys in one window, all that are new share one count: a flood of addresses cannot fill the memory. */
export const MAX_KEYS = 20_000
const ALL_OTHERS = ''

/** What was consumed of each key; in the order of their ends, since windows of one limiter are equally long. */
export type Windows = Map<string, { count: number; endsAt: number }>

/** Counts in this process alone. */
export function createMemoryLimiter({ points, seconds }: LimiterOptions, windows: Windows = new Map()): Limiter {
  function windowOf(key: string, now: number): { count: number; endsAt: number } {
    for (const [each, { endsAt }] of windows) {
      if (endsAt > now) break
      windows.delete(each)
    }
    const known = windows.get(key)
    if (known) return known
    if (windows.size >= MAX_KEYS && key !== ALL_OTHERS) return windowOf(ALL_OTHERS, now)
    const first = { count: 0, endsAt: now + seconds * 1000 }
    windows.set(key, first)
    return first
  }
  return {
    async consume(key) {
      const now = performance.now()
      const window = windowOf(key, now)
      window.count += 1
      return consumedOf(window.count, points, window.endsAt - now)
    },
  }
}

const consumedOf = (count: number, points: number, leftMs: number): Consumed => ({
  allowed: count <= points,
  remaining: Math.max(0, points - count),
  resetMs: Math.max(1, Math.round(leftMs)),
})
