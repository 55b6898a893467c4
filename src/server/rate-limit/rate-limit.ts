/** Our own limits: who is counted, how often they may, and where; every limit with a variable of its own. */
import type { Config, RateLimitRule } from '../config/config.ts'
import { GatewayError } from '../errors.ts'
import type { Cache, Consumed } from '../storage/cache.ts'
import { type Consume, createConsume } from './limiter.ts'

export type RateLimit = { name: string; rule: RateLimitRule; consume: Consume }

export type RateLimits = {
  /** Undefined with `RATE_LIMIT=off`. */
  [Name in keyof Config['rateLimits']]: RateLimit | undefined
} & {
  /** Phone codes, each of which costs money: limited even then. */
  phonePerUser: RateLimit
}

export type RateLimitsParts = {
  cache: Pick<Cache, 'limiter'>
  config: Pick<Config, 'rateLimit' | 'rateLimits' | 'phoneDailyLimit'>
  onRefused: (limit: string) => void
}

const DAY_SECONDS = 86_400

export function createRateLimits({ cache, config, onRefused }: RateLimitsParts): RateLimits {
  function limit(name: string, rule: RateLimitRule): RateLimit {
    const consume = createConsume(cache, { name, ...rule })
    const note = <T extends Consumed>(consumed: T): T => {
      if (!consumed.allowed) onRefused(name)
      return consumed
    }
    return {
      name,
      rule,
      consume(key) {
        const consumed = consume(key)
        return consumed instanceof Promise ? consumed.then(note) : note(consumed)
      },
    }
  }
  const rules = Object.entries(config.rateLimits).map(([name, rule]) => [
    name,
    config.rateLimit ? limit(snakeCase(name), rule) : undefined,
  ])
  return {
    ...(Object.fromEntries(rules) as Omit<RateLimits, 'phonePerUser'>),
    phonePerUser: limit('phone_per_user', { points: config.phoneDailyLimit, seconds: DAY_SECONDS }),
  }
}

/** As metrics and Redis name them. */
const snakeCase = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

/**
 * Consumes one point of the key. Rejects with A0501 beyond the limit; throws it where that is known without asking the store, so
 * that a flood costs it nothing. `onConsumed` learns the result first.
 */
export function enforce(
  limit: RateLimit | undefined,
  key: string,
  onConsumed?: (consumed: Consumed) => void,
): Promise<void> | undefined {
  if (limit === undefined) return undefined
  const decide = (consumed: Consumed): void => {
    onConsumed?.(consumed)
    if (consumed.allowed) return
    throw new GatewayError('A0501', { note: limit.name, retryAfterSeconds: Math.ceil(consumed.resetMs / 1000) })
  }
  const consumed = limit.consume(key)
  if (consumed instanceof Promise) return consumed.then(decide)
  decide(consumed)
}
