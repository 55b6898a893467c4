/** Pictures of users: cleaned, kept under a fresh URL, and removed when nobody shows them any more. */
import type { Clock } from '../clock.ts'
import type { AvatarStoreConfig } from '../config/avatar-store.ts'
import { GatewayError } from '../errors.ts'
import type { SendObject } from './avatar-store.s3.ts'
import { type AvatarStore, newKey } from './avatar-store.ts'

export type Avatars = {
  /** Throws A0404 when no avatar store is configured. */
  assertConfigured(): void
  /** Cleans and keeps a picture; answers its URL. Throws A0400, A0404 or B0320. */
  keep(upload: Buffer): Promise<string>
  /** Removes a picture that is ours and leaves any other URL alone. Never throws: what stays behind is logged, and the answer false. */
  remove(url: string | null): Promise<boolean>
  /** A picture that the gateway has to serve itself, which it does from a folder only. */
  read(key: string): Promise<Buffer | undefined>
}

type ToAvatar = typeof import('./avatar-image.ts').toAvatar

export type AvatarsParts = {
  /** Undefined: avatars are off. */
  config: AvatarStoreConfig | undefined
  issuer: string
  send: SendObject
  clock: Clock
  log: { error(about: { error: unknown; key: string }, message: string): void }
}

/** While avatars are off, neither a store nor what cleans pictures is loaded. */
export async function createAvatars({ config, issuer, send, clock, log }: AvatarsParts): Promise<Avatars> {
  const folder =
    config?.kind === 'folder'
      ? (await import('./avatar-store.folder.ts')).createFolderAvatarStore({ path: config.path, issuer })
      : undefined
  const store =
    config?.kind === 's3' ? (await import('./avatar-store.s3.ts')).createS3AvatarStore({ config, send, clock }) : folder
  const image = store && (await import('./avatar-image.ts'))

  function configured(): { target: AvatarStore; toAvatar: ToAvatar } {
    if (!store || !image) throw new GatewayError('A0404', { note: 'AVATAR_STORE is not set' })
    return { target: store, toAvatar: image.toAvatar }
  }

  return {
    assertConfigured: () => void configured(),
    async keep(upload) {
      const { target, toAvatar } = configured()
      const webp = await toAvatar(upload)
      try {
        return await target.put(newKey(clock.now()), webp)
      } catch (error) {
        const note = 'the avatar store does not take it'
        throw new GatewayError('B0320', { cause: error, retryAfterSeconds: 2, note })
      }
    },
    async remove(url) {
      const key = url === null ? undefined : store?.keyOf(url)
      if (!store || key === undefined) return true
      try {
        await store.remove(key)
        return true
      } catch (error) {
        log.error({ error, key }, 'a picture that nobody shows any more was not removed')
        return false
      }
    },
    read: async (key) => await folder?.read(key),
  }
}
