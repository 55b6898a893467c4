/** A user's change of picture: kept first, then shown, and only then is the old one removed; what fails leaves the old one shown. */
import type { Actor } from '../actor.ts'
import type { Avatars } from '../avatars/avatars.ts'
import type { Clock } from '../clock.ts'
import { GatewayError } from '../errors.ts'
import { isDatabaseUnavailable } from '../storage/sqlstate.ts'
import type { Caller } from './profile.ts'
import type { ProfileRow, ProfileStore } from './store.ts'

export type AvatarChanges = {
  /**
   * `read` gives the upload and is called only when there is room for it. Throws A0404 without an avatar store, A0501 beside an
   * upload of the same user, B0210, B0320, A0203, and what `read` and the picture throw.
   */
  change(caller: Caller, read: () => Promise<Buffer>, actor: Actor): Promise<ProfileRow>
}

export type AvatarChangesParts = {
  store: ProfileStore
  avatars: Avatars
  clock: Clock
  /** The database did not say whether the picture is shown: it stays, since removing it could leave a profile without one. */
  onDoubt: (error: unknown, url: string) => void
}

/** Each holds its upload in memory: at most 2 MiB, twice while it is put together. */
const MAX_UNDER_WAY = 8
/** Each lost race means that another change of the same profile went through. */
const MAX_ATTEMPTS = 6

export function createAvatarChanges({ store, avatars, clock, onDoubt }: AvatarChangesParts): AvatarChanges {
  const underWay = new Set<string>()

  /** Shows the new picture. By the version, so that of parallel changes each sees, and removes, exactly the one before it. */
  async function show({ userId, sid }: Caller, url: string, actor: Actor) {
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt += 1) {
      const before = await store.find(userId)
      if (!before) throw new GatewayError('A0203')
      const set = { avatar: url }
      const versions = [before.version]
      const profile = await store.change({ userId, sid, set, chosen: ['avatar'], versions, actor, at: clock.now() })
      if (typeof profile === 'object') return { profile, previous: before.avatar }
    }
    throw new GatewayError('B0210', { retryAfterSeconds: 1, note: 'the profile kept changing' })
  }

  async function keepAndShow(caller: Caller, upload: Buffer, actor: Actor): Promise<ProfileRow> {
    const url = await avatars.keep(upload)
    try {
      const { profile, previous } = await show(caller, url, actor)
      await avatars.remove(previous)
      return profile
    } catch (error) {
      // Only a refusal tells that the picture is not shown; an outage may have come after the commit.
      if (error instanceof GatewayError && !isDatabaseUnavailable(error)) await avatars.remove(url)
      else onDoubt(error, url)
      throw error
    }
  }

  return {
    async change(caller, read, actor) {
      avatars.assertConfigured()
      if (underWay.has(caller.userId))
        throw new GatewayError('A0501', { retryAfterSeconds: 2, note: 'one upload at a time' })
      if (underWay.size >= MAX_UNDER_WAY)
        throw new GatewayError('B0210', { retryAfterSeconds: 2, note: 'too many uploads' })
      underWay.add(caller.userId)
      try {
        return await keepAndShow(caller, await read(), actor)
      } finally {
        underWay.delete(caller.userId)
      }
    },
  }
}
