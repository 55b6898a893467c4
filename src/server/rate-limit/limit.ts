/** Says a limit in HTTP: the RateLimit headers on what passes, 429 with Retry-After on what does not. */

import { type GatewayContext, replyHeader } from '../http/context.ts'
import type { Taken } from '../storage/cache.ts'
import { networkOf, type RateLimit, refuseUnlessAllowed } from './rate-limit.ts'

/**
 * Resolves when the request may go on, rejects with A0501: started early, it may be awaited late. Throws A0501 instead where the
 * answer is known without asking the store, so that a flood costs it nothing.
 */
export type Limit = (c: GatewayContext) => Promise<void>

const passed = Promise.resolve()

/** Without a limit (`RATE_LIMIT=off`) nothing is counted and nothing is said. */
export const limitByAddress = (limit: RateLimit | undefined): Limit =>
  limit === undefined ? () => passed : (c) => apply(c, limit, networkOf(c.get('request').ip))

/** For paid acts; the route has verified the user before. */
export const limitByUser = (limit: RateLimit | undefined): ((c: GatewayContext, userId: string) => Promise<void>) =>
  limit === undefined ? () => passed : (c, userId) => apply(c, limit, userId)

function apply(c: GatewayContext, limit: RateLimit, key: string): Promise<void> {
  const say = (taken: Taken): void => {
    // draft-ietf-httpapi-ratelimit-headers-07: seconds, not dates.
    replyHeader(c, 'RateLimit-Limit', String(limit.rule.points))
    replyHeader(c, 'RateLimit-Remaining', String(taken.remaining))
    replyHeader(c, 'RateLimit-Reset', String(taken.resetSeconds))
    refuseUnlessAllowed(limit, taken)
  }
  const taken = limit.take(key)
  if (!(taken instanceof Promise)) {
    say(taken)
    return passed
  }
  const decided = taken.then(say)
  // Whoever started it may fail before it is awaited; that is no unhandled rejection.
  decided.catch(() => undefined)
  return decided
}
