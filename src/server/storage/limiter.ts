/** Counts points by key within a window: in Redis for all replicas, in this process while Redis is away. */
import type { Cluster, Redis } from 'ioredis'
import { type RateLimiterAbstract, RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible'
import { CacheUnavailable, type Limiter, type LimiterOptions, type Taken } from './cache.ts'

/** Beyond this many spent keys, those whose window has ended are forgotten. */
const MAX_SPENT_KEYS = 10_000

/** Counts in this process alone. */
export function createMemoryLimiter(options: LimiterOptions): Limiter {
  const own = new RateLimiterMemory(flat(options))
  return limiterOf((key) => consume(own, key))
}

export type RedisLimiterParts = {
  redis: Redis | Cluster
  /** Runs a command; throws CacheUnavailable when Redis is away. */
  guarded<T>(name: string, key: string, command: () => Promise<T>): Promise<T>
}

export function createRedisLimiter({ redis, guarded }: RedisLimiterParts, options: LimiterOptions): Limiter {
  const { keyPrefix } = flat(options)
  const shared = new RateLimiterRedis({ ...flat(options), storeClient: redis, rejectIfRedisNotReady: true })
  const own = new RateLimiterMemory(flat(options))
  return limiterOf(async (key) => {
    try {
      return await guarded('limit', `${keyPrefix}:${key}`, () => consume(shared, key))
    } catch (error) {
      if (!(error instanceof CacheUnavailable)) throw error
      return await consume(own, key)
    }
  })
}

type Consumed = { allowed: boolean; result: RateLimiterRes }

/** The library rejects with its result when the points are spent. */
async function consume(limiter: RateLimiterAbstract, key: string): Promise<Consumed> {
  try {
    return { allowed: true, result: await limiter.consume(key) }
  } catch (refused) {
    if (refused instanceof RateLimiterRes) return { allowed: false, result: refused }
    throw refused
  }
}

const flat = ({ name, points, seconds }: LimiterOptions) => ({ keyPrefix: `limit:${name}`, points, duration: seconds })

function limiterOf(count: (key: string) => Promise<Consumed>): Limiter {
  /** When each spent key is whole again: until then it is refused from memory, so a flood costs the store nothing. */
  const spent = new Map<string, number>()

  function remember(key: string, untilMs: number): void {
    const now = Date.now()
    if (spent.size >= MAX_SPENT_KEYS) for (const [each, until] of spent) if (until <= now) spent.delete(each)
    if (spent.size < MAX_SPENT_KEYS) spent.set(key, now + untilMs)
  }
  function spentSeconds(key: string): number {
    const until = spent.get(key)
    if (until === undefined) return 0
    const leftMs = until - Date.now()
    if (leftMs <= 0) spent.delete(key)
    return Math.max(0, Math.ceil(leftMs / 1000))
  }
  async function ask(key: string): Promise<Taken> {
    const { allowed, result } = await count(key)
    if (result.remainingPoints <= 0) remember(key, result.msBeforeNext)
    const resetSeconds = Math.max(1, Math.ceil(result.msBeforeNext / 1000))
    return { allowed, remaining: result.remainingPoints, resetSeconds }
  }

  return {
    take(key) {
      const resetSeconds = spentSeconds(key)
      return resetSeconds > 0 ? { allowed: false, remaining: 0, resetSeconds } : ask(key)
    },
  }
}
