/** The phone number a user hands over by the platform's phone button: by its code, or encrypted under the kept session_key. */
import type { Actor } from '../actor.ts'
import type { Clock } from '../clock.ts'
import { GatewayError } from '../errors.ts'
import type { Encrypted } from '../platforms/open-data.ts'
import { readPhoneInfo } from '../platforms/phone-info.ts'
import { PlatformError, type PlatformIdentity } from '../platforms/platform.ts'
import type { Apps } from '../platforms/registry.ts'
import { enforce, type RateLimit } from '../rate-limit/rate-limit.ts'
import type { LimitUpstream } from '../rate-limit/upstream.ts'
import type { OpenWithKeptKey } from '../session-key/open-data.ts'
import type { Caller, IdentityOf } from './profile.ts'
import type { ProfileRow, ProfileStore } from './store.ts'

export type PhoneNumbers = {
  /**
   * Puts the button's number into the profile; unless numbers may be shared, it leaves the profile of whoever had it before. Throws
   * A0240 (tap again), A0312 (another person's code), A0340, A0404 where the platform has no such button, A0501, B0320, and what the platform answers.
   */
  set(caller: Caller, given: { code: string } | Encrypted, actor: Actor): Promise<ProfileRow>
  /** Takes the number out of the profile. Throws A0203. */
  remove(caller: Caller, actor: Actor): Promise<ProfileRow>
}

export type PhoneNumberParts = {
  store: ProfileStore
  identityOf: IdentityOf
  apps: Apps
  openData: OpenWithKeptKey
  /** Of phone codes by user: each costs money, whether it is good or not. */
  limit: RateLimit
  limitUpstream: LimitUpstream
  /** Whether one number may belong to several users. */
  shared: boolean
  clock: Clock
  onPaidCall: () => void
}

export function createPhoneNumbers(parts: PhoneNumberParts): PhoneNumbers {
  const { store, identityOf, apps, openData, limit, limitUpstream, shared, clock, onPaidCall } = parts

  async function byCode(identity: PlatformIdentity, userId: string, code: string, actor: Actor): Promise<string> {
    const phoneNumber = apps.find(identity.platform, identity.appid)?.userApi.phoneNumber
    if (!phoneNumber) throw new GatewayError('A0404', { note: `${identity.platform} has no phone codes here` })
    await enforce(limit, userId)
    await limitUpstream(identity, actor)
    try {
      const phone = await phoneNumber(code, identity.openid)
      onPaidCall()
      return phone
    } catch (error) {
      // Not A0223, which sends the client to wx.login for a new code: only a new tap makes a phone code.
      if (error instanceof PlatformError && error.refusal === 'code_invalid')
        throw new GatewayError('A0240', { cause: error, note: error.message })
      throw error
    }
  }

  async function byEncryptedData(identity: PlatformIdentity, encrypted: Encrypted): Promise<string> {
    const phone = readPhoneInfo(await openData(identity, encrypted))
    if (phone === undefined) throw new GatewayError('A0340', { note: 'the data holds no phone number' })
    return phone
  }

  return {
    async set({ userId, sid }, given, actor) {
      const identity = await identityOf(sid)
      if (!identity) throw new GatewayError('A0230', { note: 'no such session' })
      const phone =
        'code' in given ? await byCode(identity, userId, given.code, actor) : await byEncryptedData(identity, given)
      const set = { phone, exclusive_phone: null }
      const change = { userId, sid, set, chosen: [], versions: undefined, actor, at: clock.now() }
      const changed = shared ? await store.change(change) : await store.takePhone(change, phone)
      if (!changed) throw new GatewayError('A0203')
      return changed
    },
    async remove({ userId, sid }, actor) {
      const set = { phone: null, exclusive_phone: null }
      const changed = await store.change({
        ...{ userId, sid, set, actor },
        ...{ chosen: [], versions: undefined, at: clock.now() },
      })
      if (!changed) throw new GatewayError('A0203')
      return changed
    },
  }
}
