/** Our own limits: who is counted, how often they may, and where; every limit with a variable of its own. */
import type { Config, RateLimitRule } from '../config/config.ts'
import { GatewayError } from '../errors.ts'
import type { Cache, Limiter, Taken } from '../storage/cache.ts'

export type RateLimit = {
  name: string
  rule: RateLimitRule
  /** Counts one act of the key. A refusal that is known beforehand comes at once, not as a promise. */
  take: Limiter['take']
}

export type RateLimits = {
  loginPerAddress: RateLimit
  loginPerOpenid: RateLimit
  refreshPerAddress: RateLimit
  paidPerUser: RateLimit
}

export type RateLimitsParts = {
  cache: Pick<Cache, 'limiter'>
  config: Pick<Config, 'rateLimits'>
  onRefused: (limit: string) => void
}

export function createRateLimits({ cache, config, onRefused }: RateLimitsParts): RateLimits {
  function limit(name: string, rule: RateLimitRule): RateLimit {
    const limiter = cache.limiter({ name, ...rule })
    const note = <T extends Taken>(taken: T): T => {
      if (!taken.allowed) onRefused(name)
      return taken
    }
    return {
      name,
      rule,
      take(key) {
        const taken = limiter.take(key)
        return taken instanceof Promise ? taken.then(note) : note(taken)
      },
    }
  }
  const { loginPerAddress, loginPerOpenid, refreshPerAddress, paidPerUser } = config.rateLimits
  return {
    loginPerAddress: limit('login_per_address', loginPerAddress),
    loginPerOpenid: limit('login_per_openid', loginPerOpenid),
    refreshPerAddress: limit('refresh_per_address', refreshPerAddress),
    paidPerUser: limit('paid_per_user', paidPerUser),
  }
}

/** Throws A0501 with the time after which it is worth trying again. */
export function refuseUnlessAllowed(limit: RateLimit, { allowed, resetSeconds }: Taken): void {
  if (!allowed) throw new GatewayError('A0501', { note: limit.name, retryAfterSeconds: resetSeconds })
}

/**
 * What an address is counted as: IPv4 whole, IPv6 by its /64, the least that one subscriber gets (RFC 6177 section 2). Requests
 * whose address is unknown are counted together.
 */
export function networkOf(address: string | undefined): string {
  if (address === undefined) return 'unknown'
  if (!address.includes(':')) return address
  const [head = '', tail] = address.split('%', 1)[0]?.split('::') ?? []
  const front = head === '' ? [] : head.split(':')
  const back = tail === undefined || tail === '' ? [] : tail.split(':')
  // A dotted IPv4 ending stands for two groups, all of them behind the first four.
  const missing = tail === undefined ? 0 : Math.max(0, 8 - front.length - back.length - (tail.includes('.') ? 1 : 0))
  const groups = [...front, ...Array<string>(missing).fill('0'), ...back].slice(0, 4)
  return `${groups.map((group) => Number.parseInt(group, 16).toString(16)).join(':')}::/64`
}
