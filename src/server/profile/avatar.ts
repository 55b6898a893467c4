/** A user's change of picture: kept first, then shown, and only then is the old one removed; what fails leaves the old one shown. */
import type { Actor } from '../actor.ts'
import type { Avatars } from '../avatars/avatars.ts'
import type { Clock } from '../clock.ts'
import { GatewayError } from '../errors.ts'
import { enforce, type RateLimit } from '../rate-limit/rate-limit.ts'
import { createSlots } from '../rate-limit/slots.ts'
import { isDatabaseUnavailable } from '../storage/sqlstate.ts'
import type { Caller } from './profile.ts'
import type { ProfileRow, ProfileStore } from './store.ts'

export type AvatarChanges = {
  /**
   * `read` gives the upload and is called only when there is room for it. Throws A0404 without an avatar store, A0501 beside an
   * upload of the same user and beyond the limit, B0210, B0320, A0203, and what `read` and the picture throw.
   */
  change(caller: Caller, read: () => Promise<Buffer>, actor: Actor): Promise<ProfileRow>
}

export type AvatarChangesParts = {
  store: ProfileStore
  avatars: Avatars
  clock: Clock
  /** Of pictures by user. */
  limit: RateLimit | undefined
  /** The database did not say whether the picture is shown: it stays, since removing it could leave a profile without one. */
  onDoubt: (error: unknown, url: string) => void
}

/** Each holds what it has sent so far: at most 2 MiB, for the 15 s that a request may take. */
const MAX_UPLOADS = 64
/** Each holds its upload and waits for the decoder or the store. */
const MAX_WORKS = 8
/** Each lost race means that another change of the same profile went through. */
const MAX_ATTEMPTS = 6

export function createAvatarChanges({ store, avatars, clock, limit, onDoubt }: AvatarChangesParts): AvatarChanges {
  const uploads = createSlots({ what: 'upload', max: MAX_UPLOADS })
  const works = createSlots({ what: 'picture', max: MAX_WORKS })

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
      const endUpload = uploads.begin(caller.userId)
      try {
        await enforce(limit, caller.userId)
        const upload = await read()
        // Only now: somebody who sends slowly, or nothing, takes no place that a whole picture could have.
        const endWork = works.begin(caller.userId)
        try {
          return await keepAndShow(caller, upload, actor)
        } finally {
          endWork()
        }
      } finally {
        endUpload()
      }
    },
  }
}
