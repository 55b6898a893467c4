/** Limits the calls to a platform that people cause after their login. */
import type { Actor } from '../actor.ts'
import { networkOf } from '../http/address.ts'
import type { PlatformIdentity } from '../platforms/platform.ts'
import { enforce, type RateLimits } from './rate-limit.ts'

/** To be awaited before a call on behalf of this person; throws A0501. Without an actor nothing is counted by address. */
export type LimitUpstream = (person: PlatformIdentity, actor?: Actor) => Promise<void>

export function createLimitUpstream(limits: Pick<RateLimits, 'upstreamPerUser' | 'upstreamPerAddress'>): LimitUpstream {
  return async ({ platform, appid, openid }, actor) => {
    await enforce(limits.upstreamPerUser, `${platform}:${appid}:${openid}`)
    if (actor) await enforce(limits.upstreamPerAddress, networkOf(actor.ip))
  }
}
