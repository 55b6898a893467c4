/** Keeps each person's session_key: sealed, in the cache, by platform identity. It leaves only to open data inside the gateway. */
import { SealError, type Sealer } from '../crypto/seal.ts'
import type { PlatformIdentity } from '../platforms/platform.ts'
import type { Cache } from '../storage/cache.ts'

export type Vault = {
  put(identity: PlatformIdentity, sessionKey: string): Promise<unknown>
  /** The session_key, or undefined when none is kept. It is a hint: the platform may have replaced it since. */
  get(identity: PlatformIdentity): Promise<string | undefined>
  drop(identity: PlatformIdentity): Promise<void>
}

export function createVault({
  cache,
  sealer,
  ttlSeconds,
}: {
  cache: Cache
  sealer: Sealer
  ttlSeconds: number
}): Vault {
  const keyOf = ({ platform, appid, openid }: PlatformIdentity) => `session-key:${platform}:${appid}:${openid}`
  return {
    put: (identity, sessionKey) =>
      cache.set(keyOf(identity), sealer.seal(sessionKey, keyOf(identity)), ttlSeconds * 1000),
    async get(identity) {
      const sealed = await cache.get(keyOf(identity))
      if (sealed === undefined) return undefined
      try {
        return sealer.open(sealed, keyOf(identity))
      } catch (error) {
        // Its encryption key was taken away: the next login brings a new one.
        if (error instanceof SealError) return undefined
        throw error
      }
    },
    drop: (identity) => cache.delete(keyOf(identity)),
  }
}
