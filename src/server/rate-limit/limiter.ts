/** A limiter that asks the store as rarely as it can, and counts in this process while the store is away. */
import { type Cache, CacheUnavailable, type Consumed, type LimiterOptions } from '../storage/cache.ts'
import { createMemoryLimiter } from '../storage/limiter.ts'

/**
 * Consumes one point of the key: the command leaves in this very tick. A refusal that this process knows beforehand is answered at
 * once, without a promise and without asking the store.
 */
export type Consume = (key: string) => Promise<Consumed> | (Consumed & { allowed: false })

/** Beyond this many spent keys, those whose window has ended are forgotten. */
const MAX_SPENT_KEYS = 10_000

export function createConsume(cache: Pick<Cache, 'limiter'>, options: LimiterOptions): Consume {
  const shared = cache.limiter(options)
  const own = createMemoryLimiter(options)
  /** When each spent key is whole again: until then it is refused from memory, so a flood costs the store nothing. */
  const spent = new Map<string, number>()

  function remember(key: string, resetMs: number): void {
    const now = performance.now()
    if (spent.size >= MAX_SPENT_KEYS) for (const [each, until] of spent) if (until <= now) spent.delete(each)
    if (spent.size < MAX_SPENT_KEYS) spent.set(key, now + resetMs)
  }
  function spentFor(key: string): number {
    const until = spent.get(key)
    if (until === undefined) return 0
    const leftMs = until - performance.now()
    if (leftMs <= 0) spent.delete(key)
    return leftMs
  }
  async function ask(key: string): Promise<Consumed> {
    const consumed = await shared.consume(key).catch((error: unknown) => {
      if (error instanceof CacheUnavailable) return own.consume(key)
      throw error
    })
    if (consumed.remaining === 0) remember(key, consumed.resetMs)
    return consumed
  }

  return (key) => {
    const resetMs = spentFor(key)
    return resetMs > 0 ? { allowed: false, remaining: 0, resetMs } : ask(key)
  }
}
