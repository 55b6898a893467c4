/** Pictures of users: cleaned, kept under a fresh URL, and removed when nobody shows them any more. */
import type { Clock } from '../clock.ts'
import { GatewayError } from '../errors.ts'
import { toAvatar } from './avatar-image.ts'
import { type AvatarStore, newKey } from './avatar-store.ts'

export type Avatars = {
  /** Throws A0404 when no avatar store is configured. */
  assertConfigured(): void
  /** Cleans and keeps a picture; answers its URL. Throws A0400, A0404 or B0320. */
  keep(upload: Buffer): Promise<string>
  /** Removes a picture that is ours and leaves any other URL alone. Never throws: what stays behind is logged. */
  remove(url: string | null | undefined): Promise<void>
}

export type AvatarsParts = {
  /** Undefined: avatars are off. */
  store: AvatarStore | undefined
  clock: Clock
  onNotRemoved: (error: unknown, key: string) => void
}

export function createAvatars({ store, clock, onNotRemoved }: AvatarsParts): Avatars {
  function configured(): AvatarStore {
    if (!store) throw new GatewayError('A0404', { note: 'AVATAR_STORE is not set' })
    return store
  }

  return {
    assertConfigured: () => void configured(),
    async keep(upload) {
      const target = configured()
      const webp = await toAvatar(upload)
      try {
        return await target.put(newKey(clock.now()), webp)
      } catch (error) {
        throw new GatewayError('B0320', {
          cause: error,
          retryAfterSeconds: 2,
          note: 'the avatar store does not take it',
        })
      }
    },
    async remove(url) {
      const key = url ? store?.keyOf(url) : undefined
      if (!store || key === undefined) return
      try {
        await store.remove(key)
      } catch (error) {
        onNotRemoved(error, key)
      }
    },
  }
}
