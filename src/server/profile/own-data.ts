/** Users' rights over their own data: to have a copy (PIPL article 45) and to have it erased (article 47). */
import type { Actor } from '../actor.ts'
import { GatewayError } from '../errors.ts'
import type { Apps } from '../platforms/registry.ts'
import type { Erased, Users } from '../users/users.ts'
import type { Caller } from './profile.ts'
import type { ProfileStore } from './store.ts'

export type OwnData = {
  /** Everything that is kept, but for the session_key, which is the platform's secret. Throws A0203. */
  copy(userId: string): Promise<Everything>
  /**
   * Erases the user for good; the proof is a fresh login code of the same person in the same app, so that a stolen access token is
   * not enough. Throws A0223 for a code that is not fresh, A0312 for another person's, A0203 when the user is gone already, and
   * what the platform answers.
   */
  erase(caller: Caller, code: string, actor: Actor): Promise<Erased>
}

export type Everything = NonNullable<Awaited<ReturnType<ProfileStore['everythingOf']>>>

export type OwnDataParts = { store: ProfileStore; apps: Apps; users: Pick<Users, 'erase'> }

export function createOwnData({ store, apps, users }: OwnDataParts): OwnData {
  return {
    async copy(userId) {
      const everything = await store.everythingOf(userId)
      if (!everything) throw new GatewayError('A0203')
      return everything
    },

    async erase({ userId, sid }, code, actor) {
      const session = await store.identityOf(sid)
      const app = session && apps.find(session.platform, session.appid)
      if (!app) throw new GatewayError('A0404', { note: 'the app of this session is no longer configured' })
      const { openid } = await app.exchange(code)
      const owner = await store.ownerOf({ platform: app.platform, appid: app.appid, openid })
      if (owner !== userId) throw new GatewayError('A0312', { note: "another person's login code" })
      const erased = await users.erase(userId, actor)
      if (!erased) throw new GatewayError('A0203')
      return erased
    },
  }
}
