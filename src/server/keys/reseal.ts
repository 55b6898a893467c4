/** Moves what is sealed in the database under the first encryption key, and tells what still depends on the others, and until when. */
import type { Actor } from '../actor.ts'
import { createClients } from '../clients/clients.ts'
import type { Clock } from '../clock.ts'
import type { Config } from '../config/config.ts'
import { isSealedAsNow, SealError, type Sealer, sealedWith } from '../crypto/seal.ts'
import { openKey, sealContext } from './ring.ts'
import { keyState, scheduleOf } from './schedule.ts'
import type { KeyStore } from './store.ts'

export type ResealReport = {
  /** The encryption key that seals now. */
  encryptionKey: string
  /** Signing keys moved under it this time. */
  resealed: string[]
  /** Signing keys under an encryption key that is not there: restore it, or retire them. */
  lost: { kid: string; encryptionKey: string; problem: string }[]
  /** What depends on each other encryption key that is configured, or that a signing key names. */
  others: Dependence[]
}

export type Dependence = {
  encryptionKey: string
  signingKeys: number
  /** session_keys sealed under it have expired by then. */
  sessionKeysUntil: Date
  /** Refresh tokens made under it have been used or have expired by then; to drop it sooner ends their sessions. */
  refreshTokensUntil: Date
  /** Whether it can be taken out of ENCRYPTION_KEYS now, without anybody noticing. */
  safeToDrop: boolean
}

export type ResealParts = {
  store: KeyStore
  sealer: Sealer
  clock: Clock
  config: Config
  actor: Actor
  onProgress?: (done: number, all: number) => void
}

/**
 * To be run when every replica seals under the new key. Repeating it is harmless; the dates count from the first time, which is
 * kept in the audit trail.
 */
export async function reseal(parts: ResealParts): Promise<ResealReport> {
  const { store, sealer, clock, config, actor, onProgress } = parts
  const encryptionKey = sealer.currentKeyId
  const resealed: string[] = []
  const lost: ResealReport['lost'] = []
  const keys = (await store.list()).filter((key) => key.retiredAt === null)
  for (const [index, key] of keys.entries()) {
    const under = sealedWith(key.sealedPrivateJwk) ?? ''
    try {
      const sealed = isSealedAsNow(key.sealedPrivateJwk, encryptionKey)
        ? undefined
        : sealer.seal(openKey(sealer, key), sealContext(key.kid))
      // Lost to another run of this command: then it is done.
      if (sealed && (await store.reseal(key.kid, key.sealedPrivateJwk, sealed))) resealed.push(key.kid)
    } catch (error) {
      if (!(error instanceof SealError)) throw error
      // A key that only verifies any more is not opened again.
      if (!['active', 'pending'].includes(keyState(key, keys, clock.now(), scheduleOf(config)))) continue
      lost.push({ kid: key.kid, encryptionKey: under, problem: error.message })
    }
    onProgress?.(index + 1, keys.length)
  }

  const now = clock.now()
  const since = (await store.firstResealedAt(encryptionKey)) ?? now
  const detail = { encryption_key: encryptionKey, kids: resealed }
  if (since === now || resealed.length > 0) await store.audit({ kind: 'keys_resealed', at: now, actor, detail })

  const ids = [...config.encryptionKeys.map(({ id }) => id), ...lost.map((one) => one.encryptionKey)]
  const after = (seconds: number) => new Date(since.getTime() + seconds * 1000)
  const sessionKeysUntil = after(config.sessionKeyTtlSeconds)
  const refreshTokensUntil = after(createClients(config).longest.idleSeconds)
  return {
    encryptionKey,
    resealed,
    lost,
    others: [...new Set(ids)]
      .filter((id) => id !== encryptionKey)
      .map((id) => {
        const signingKeys = lost.filter((one) => one.encryptionKey === id).length
        const safeToDrop = signingKeys === 0 && now >= sessionKeysUntil && now >= refreshTokensUntil
        return { encryptionKey: id, signingKeys, sessionKeysUntil, refreshTokensUntil, safeToDrop }
      }),
  }
}
