/** Says a limit in HTTP: the RateLimit headers on what passes, 429 with Retry-After on what does not. */
import { networkOf } from '../http/address.ts'
import { type GatewayContext, replyHeader } from '../http/context.ts'
import { enforce, type RateLimit, type RateLimits } from './rate-limit.ts'

/**
 * Resolves when the request may go on, rejects with A0501: started early, it may be awaited late. Throws A0501 instead where the
 * answer is known without asking the store.
 */
export type Limit = (c: GatewayContext) => Promise<void>

/** Without a limit (`RATE_LIMIT=off`) nothing is counted and nothing is said. */
export const limitByAddress =
  (limit: RateLimit | undefined): Limit =>
  (c) =>
    apply(c, limit, networkOf(c.get('request').ip))

/** What a user may do with an access token: reads and changes are counted apart. */
export const limitUser =
  ({ readsPerUser, changesPerUser }: Pick<RateLimits, 'readsPerUser' | 'changesPerUser'>) =>
  (c: GatewayContext, userId: string): Promise<void> =>
    apply(c, c.req.method === 'GET' ? readsPerUser : changesPerUser, userId)

const passed = Promise.resolve()

function apply(c: GatewayContext, limit: RateLimit | undefined, key: string): Promise<void> {
  const decided = enforce(limit, key, ({ remaining, resetMs }) => {
    // draft-ietf-httpapi-ratelimit-headers-07: seconds, not dates.
    replyHeader(c, 'RateLimit-Limit', String(limit?.rule.points))
    replyHeader(c, 'RateLimit-Remaining', String(remaining))
    replyHeader(c, 'RateLimit-Reset', String(Math.ceil(resetMs / 1000)))
  })
  // Whoever started it may fail before it is awaited; that is no unhandled rejection.
  decided?.catch(() => undefined)
  return decided ?? passed
}
