/** A user's erasure of their own account (PIPL article 47). */
import type { Actor } from '../actor.ts'
import { GatewayError } from '../errors.ts'
import type { PlatformIdentity } from '../platforms/platform.ts'
import type { Apps } from '../platforms/registry.ts'
import type { LimitUpstream } from '../rate-limit/upstream.ts'
import type { Erased, Users } from '../users/users.ts'
import type { PersonalDataStore } from './store.ts'

/**
 * Erases the user for good; the proof is a fresh login code of the same person in the same app, so that a stolen access token is
 * not enough. Throws A0223 for a code that is not fresh, A0312 for another person's, A0203 when the user is gone already,
 * A0501, and what the platform answers.
 */
export type Erase = (caller: { userId: string; sid: string }, code: string, actor: Actor) => Promise<Erased>

export type EraseParts = {
  store: PersonalDataStore
  /** Where a session signed in. */
  identityOf: (sid: string) => Promise<PlatformIdentity | undefined>
  apps: Apps
  users: Pick<Users, 'erase'>
  limitUpstream: LimitUpstream
}

export function createErase({ store, identityOf, apps, users, limitUpstream }: EraseParts): Erase {
  return async ({ userId, sid }, code, actor) => {
    const session = await identityOf(sid)
    const app = session && apps.find(session.platform, session.appid)
    if (!app) throw new GatewayError('A0404', { note: 'the app of this session is no longer configured' })
    await limitUpstream(session, actor)
    const { openid } = await app.exchange(code)
    const owner = await store.ownerOf({ platform: app.platform, appid: app.appid, openid })
    if (owner !== userId) throw new GatewayError('A0312', { note: "another person's login code" })
    const erased = await users.erase(userId, actor)
    if (!erased) throw new GatewayError('A0203')
    return erased
  }
}
