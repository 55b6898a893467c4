/** Counts points by key within a window: in Redis for all replicas, in this process while Redis is away. */
import type { Redis } from 'ioredis'
import { type RateLimiterAbstract, RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible'

export type LimiterOptions = { name: string; points: number; seconds: number }

export type Taken = { allowed: boolean; remaining: number; resetSeconds: number }

export type Limiter = {
  /**
   * Takes one point of the key: the command leaves in this very tick, and an outage of the store is counted past in this process. A
   * refusal that this process knows beforehand is answered at once, without a promise and without asking the store.
   */
  take(key: string): Promise<Taken> | Refused
}
export type Refused = Taken & { allowed: false }

/** Beyond this many spent keys, those whose window has ended are forgotten. */
const MAX_SPENT_KEYS = 10_000

/** Counts in this process alone. */
export const createMemoryLimiter = (options: LimiterOptions): Limiter => limiterOf(new RateLimiterMemory(flat(options)))

export function createRedisLimiter(redis: Redis, options: LimiterOptions): Limiter {
  return limiterOf(
    new RateLimiterRedis({
      ...flat(options),
      storeClient: redis,
      rejectIfRedisNotReady: true,
      insuranceLimiter: new RateLimiterMemory(flat(options)),
    }),
  )
}

const flat = ({ name, points, seconds }: LimiterOptions) => ({ keyPrefix: `limit:${name}`, points, duration: seconds })

function limiterOf(limiter: RateLimiterAbstract): Limiter {
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
  function toTaken(key: string, allowed: boolean, { remainingPoints, msBeforeNext }: RateLimiterRes): Taken {
    if (remainingPoints <= 0) remember(key, msBeforeNext)
    return { allowed, remaining: remainingPoints, resetSeconds: Math.max(1, Math.ceil(msBeforeNext / 1000)) }
  }

  async function ask(key: string): Promise<Taken> {
    try {
      return toTaken(key, true, await limiter.consume(key))
    } catch (refused) {
      if (refused instanceof RateLimiterRes) return toTaken(key, false, refused)
      throw refused
    }
  }

  return {
    take(key) {
      const resetSeconds = spentSeconds(key)
      return resetSeconds > 0 ? { allowed: false, remaining: 0, resetSeconds } : ask(key)
    },
  }
}
