/** What users keep about themselves: read, and changed without losing what somebody else changed meanwhile. */
import { z } from 'zod'
import type { Actor } from '../actor.ts'
import type { Clock } from '../clock.ts'
import { GatewayError, invalidField } from '../errors.ts'
import type { PlatformIdentity } from '../platforms/platform.ts'
import { profileFields } from '../users/profile-fields.ts'
import type { ProfileChange, ProfileRow, ProfileStore } from './store.ts'
import type { TextCheck } from './text-check.ts'

/** Null clears; so does an empty text, which is what a form sends for an emptied input. */
export const profilePatchSchema = z
  .strictObject(profileFields.omit({ avatar: true, phone: true }).partial().shape)
  .meta({ id: 'ProfilePatch' })

export type ProfilePatch = z.output<typeof profilePatchSchema>

/** Which user, in which session: the session tells the app and the openid. */
export type Caller = { userId: string; sid: string }

export type Profiles = {
  read(userId: string): Promise<ProfileRow>
  /**
   * Sets what the patch holds. `versions`: the ones it may apply to, from If-Match; undefined is any.
   * Throws A0400, A0430, A0501, A0505, A0203 and, where the text check is strict, what the platform answers.
   */
  change(
    caller: Caller,
    patch: ProfilePatch,
    versions: readonly number[] | undefined,
    actor: Actor,
  ): Promise<ProfileRow>
}

/** Where a session signed in. */
export type IdentityOf = (sid: string) => Promise<PlatformIdentity | undefined>

export type ProfileParts = {
  store: ProfileStore
  identityOf: IdentityOf
  textCheck: TextCheck
  clock: Clock
}

const OLDEST_BIRTHDAY = '1900-01-01'
/** Somewhere on earth it is already tomorrow. */
const EARLIEST_TIME_ZONE_MS = 14 * 3_600_000

/** The fields that other people read. */
const publicTexts = ['nickname', 'address', 'signature'] as const

export function createProfiles({ store, identityOf, textCheck, clock }: ProfileParts): Profiles {
  async function read(userId: string): Promise<ProfileRow> {
    const profile = await store.find(userId)
    if (!profile) throw new GatewayError('A0203')
    return profile
  }

  function checkBirthday(birthday: string): void {
    const latest = new Date(clock.now().getTime() + EARLIEST_TIME_ZONE_MS).toISOString().slice(0, 10)
    if (birthday < OLDEST_BIRTHDAY) throw invalidField('birthday', `must not be before ${OLDEST_BIRTHDAY}`)
    if (birthday > latest) throw invalidField('birthday', 'must not be in the future')
  }

  async function checkTexts(sid: string, set: ProfileChange['set'], actor: Actor): Promise<void> {
    const texts = publicTexts.map((name) => set[name]).filter((value) => typeof value === 'string')
    if (texts.length === 0) return
    const identity = await identityOf(sid)
    if (identity) await textCheck(identity, texts, actor)
  }

  return {
    read,
    async change({ userId, sid }, patch, versions, actor) {
      const set = Object.fromEntries(
        Object.entries(patch)
          .filter(([, value]) => value !== undefined)
          .map(([name, value]) => [name, value === '' ? null : value]),
      ) as ProfileChange['set']
      if (set.birthday) checkBirthday(set.birthday)
      const chosen = Object.keys(set)
      if (chosen.length === 0) {
        const profile = await read(userId)
        if (versions && !versions.includes(profile.version)) throw new GatewayError('A0505')
        return profile
      }
      await checkTexts(sid, set, actor)
      const changed = await store.change({ userId, sid, set, chosen, versions, actor, at: clock.now() })
      if (typeof changed === 'object') return changed
      // No row fitted: the profile moved on, or its user went away since the token was checked.
      await read(userId)
      throw new GatewayError('A0505')
    },
  }
}

/** The profile's entity tag (RFC 9110 section 8.8.3): its version. */
export const etagOf = ({ version }: ProfileRow): string => `"${version}"`

/**
 * The versions an If-Match header names; undefined for `*` and for no header. A weak tag counts too, against the letter of
 * RFC 9110 section 13.1.1: proxies that compress weaken tags, and the version says all there is to say.
 */
export function versionsOf(ifMatch: string | undefined): number[] | undefined {
  if (ifMatch === undefined || ifMatch.trim() === '*') return undefined
  return [...ifMatch.matchAll(/(?:^|,)\s*(?:W\/)?"(\d{1,9})"\s*(?=,|$)/g)].map(([, version]) => Number(version))
}
