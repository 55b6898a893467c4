/** What services and operators may do with a kept session_key without ever seeing it: open data, ask whether it is good, reset it. */
import type { Actor } from '../actor.ts'
import type { Audit } from '../audit/audit.ts'
import type { Clock } from '../clock.ts'
import { GatewayError, invalidField } from '../errors.ts'
import type { Encrypted } from '../platforms/open-data.ts'
import type { PlatformIdentity } from '../platforms/platform.ts'
import type { App, Apps } from '../platforms/registry.ts'
import type { LimitUpstream } from '../rate-limit/upstream.ts'
import type { OpenWithKeptKey } from './open-data.ts'
import type { SessionKeyStore } from './store.ts'
import type { Vault } from './vault.ts'

/** A user in an app. */
export type UserInApp = { userId: string; appid: string }

export type SessionKeyService = {
  /** The plaintext. Throws A0240 (stale key: the user must log in and tap again), A0340, A0202, A0404, B0320. */
  open(user: UserInApp, encrypted: Encrypted): Promise<Record<string, unknown>>
  /** The kept key of a user on one of these platforms, for a use inside the gateway. Throws A0240, A0400, A0202, A0404, B0320. */
  keyFor(user: UserInApp, platforms: readonly string[]): Promise<string>
  /** Whether the platform still takes the kept key. Throws A0240 when none is kept, A0202, A0404, B0320 and as the platform answers. */
  checkSessionKey(user: UserInApp): Promise<boolean>
  /** Replaces the key, at the platform and here; throws as the check does, and A0240 when the platform no longer takes the old one. */
  resetSessionKey(user: UserInApp, actor: Actor): Promise<void>
}

export type SessionKeyServiceParts = {
  store: SessionKeyStore
  openWithKeptKey: OpenWithKeptKey
  apps: Apps
  vault: Vault
  audit: Audit
  clock: Clock
  limitUpstream: LimitUpstream
}

export function createSessionKeyService(parts: SessionKeyServiceParts): SessionKeyService {
  const { store, openWithKeptKey, apps, vault, audit, clock, limitUpstream } = parts

  async function identityOf({ userId, appid }: UserInApp): Promise<PlatformIdentity> {
    const identity = await store.identityIn(userId, appid)
    if (!identity) throw new GatewayError('A0404', { note: 'no such user in this app' })
    if (identity.status !== 'active') throw new GatewayError('A0202')
    return identity
  }

  /** The platform's call for this, the person's openid and their key. */
  async function forKey<Name extends 'checkSessionKey' | 'resetSessionKey'>(user: UserInApp, name: Name) {
    const identity = await identityOf(user)
    const call: App['userApi'][Name] | undefined = apps.find(identity.platform, identity.appid)?.userApi[name]
    if (!call) throw new GatewayError('A0404', { note: `${identity.platform} has no ${name} here` })
    const sessionKey = await vault.get(identity)
    if (sessionKey === undefined) throw new GatewayError('A0240', { note: 'no session_key is kept' })
    await limitUpstream(identity)
    return { identity, call, sessionKey }
  }

  return {
    open: async (user, encrypted) => await openWithKeptKey(await identityOf(user), encrypted),
    async keyFor(user, platforms) {
      const identity = await identityOf(user)
      if (!platforms.includes(identity.platform))
        throw invalidField('appid', `is of the platform ${identity.platform}, which has no such signature`)
      const sessionKey = await vault.get(identity)
      if (sessionKey === undefined) throw new GatewayError('A0240', { note: 'no session_key is kept' })
      return sessionKey
    },
    async checkSessionKey(user) {
      const { identity, call, sessionKey } = await forKey(user, 'checkSessionKey')
      return await call(identity.openid, sessionKey)
    },
    async resetSessionKey(user, actor) {
      const { identity, call, sessionKey } = await forKey(user, 'resetSessionKey')
      await vault.put(identity, await call(identity.openid, sessionKey))
      const { userId, appid } = user
      audit.record({ kind: 'session_key_reset', at: clock.now(), actor, user_id: userId, appid })
    },
  }
}
