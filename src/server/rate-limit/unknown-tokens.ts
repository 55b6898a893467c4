/** Wrong service tokens: each is counted; those of one address are on record, without the token, until they are too many. */
import type { Actor } from '../actor.ts'
import { GatewayError } from '../errors.ts'
import { networkOf } from '../http/address.ts'
import { actorOf, type GatewayContext } from '../http/context.ts'
import { createMemoryLimiter } from '../storage/limiter.ts'

const LIMIT = { name: 'unknown_service_tokens', points: 120, seconds: 60 }

export type UnknownTokensParts = {
  count: () => void
  record: (actor: Actor) => void
}

/** For `onUnknown` of the service tokens. Throws A0501. A right token passes all the same: programs share an address. */
export function createUnknownTokens({ count, record }: UnknownTokensParts) {
  const limiter = createMemoryLimiter(LIMIT)
  return async (c: GatewayContext): Promise<void> => {
    count()
    const actor = actorOf(c, 'unknown')
    const { allowed, resetMs } = await limiter.consume(networkOf(actor.ip))
    if (!allowed) throw new GatewayError('A0501', { note: LIMIT.name, retryAfterSeconds: Math.ceil(resetMs / 1000) })
    record(actor)
  }
}
