/** Counts what costs money, per user and day: for all replicas in the cache, and in this process alone while the cache is away. */
import type { Clock } from '../clock.ts'
import { GatewayError } from '../errors.ts'
import { type Cache, CacheUnavailable } from '../storage/cache.ts'

/** Counts one more; throws A0501 beyond the limit, to be tried again tomorrow. */
export type DailyLimit = (userId: string) => Promise<void>

const DAY_MS = 86_400_000
/** Days are China's, as WeChat's own quotas are. */
const CHINA_OFFSET_MS = 8 * 3_600_000

export type DailyLimitParts = { name: string; perDay: number; cache: Cache; clock: Clock; onRefused: () => void }

export function createDailyLimit({ name, perDay, cache, clock, onRefused }: DailyLimitParts): DailyLimit {
  let today = -1
  let local = new Map<string, number>()

  return async (userId) => {
    const nowMs = clock.now().getTime()
    const day = Math.floor((nowMs + CHINA_OFFSET_MS) / DAY_MS)
    if (day !== today) {
      today = day
      local = new Map()
    }
    const here = (local.get(userId) ?? 0) + 1
    local.set(userId, here)
    const leftMs = (day + 1) * DAY_MS - CHINA_OFFSET_MS - nowMs
    const everywhere = await cache.increment(`daily:${name}:${day}:${userId}`, leftMs).catch((error: unknown) => {
      if (error instanceof CacheUnavailable) return 0
      throw error
    })
    if (Math.max(here, everywhere) <= perDay) return
    onRefused()
    throw new GatewayError('A0501', { note: `daily limit: ${name}`, retryAfterSeconds: Math.ceil(leftMs / 1000) })
  }
}
