/**
 * A platform credential: the app's own token, which some platforms want with every call. One per app, shared by all replicas
 * through the cache and renewed by one of them at a time; without the cache each process gets its own.
 */

import { createHash } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import type { Clock } from '../clock.ts'
import type { AppConfig, PlatformName } from '../config/config.ts'
import { randomToken } from '../crypto/random.ts'
import { SealError, type Sealer } from '../crypto/seal.ts'
import { type Cache, CacheUnavailable } from '../storage/cache.ts'
import { PlatformError } from './platform.ts'
import type { TimeBudget } from './time-budget.ts'

export type PlatformCredentials = {
  /**
   * Calls with the app's credential, within the time there is, where it is limited. If the platform refuses that very credential,
   * it is dropped where it is still the one that is kept, and the call is made once more with another. Throws what `call` or the
   * renewal throws.
   */
  use<T>(app: AppConfig, call: (credential: string) => Promise<T>, time?: TimeBudget): Promise<T>
  /**
   * The current one, for a caller outside. `refused` is the SHA-256 (hex) of one that the platform refused: if it is still the
   * current one it is renewed, once for all who report it.
   */
  lend(app: AppConfig, refused?: string): Promise<LentCredential>
}

export type LentCredential = { text: string; expiresInSeconds: number; renewed: boolean }

export type FetchedCredential = { text: string; expiresInSeconds: number }

export type PlatformCredentialParts = {
  platform: PlatformName
  /** Asks the platform for one, with `force` for another than the one it gave last; bounded by CREDENTIAL_TIMEOUT_MS. */
  fetchCredential: (app: AppConfig, force: boolean) => Promise<FetchedCredential>
  cache: Cache
  sealer: Sealer
  clock: Clock
}

type Credential = { text: string; expiresAt: number }

/** Time for others to take over the new one while the old one still works. */
const RENEW_BEFORE_MS = 240_000
/** Not used so close to its end: the call has to arrive, and clocks differ. */
const END_MARGIN_MS = 10_000
/** After an early renewal that brought nothing new: the platform gives the same one until its end. */
const RENEW_AGAIN_MS = 10_000

export const CREDENTIAL_TIMEOUT_MS = 1500
/** The claim outlives the slowest renewal; if its owner dies, another may renew. */
const CLAIM_MS = 3000
const WAIT_MS = 1000
const POLL_MS = 40
const MAX_ATTEMPTS = 5

export function createPlatformCredentials({
  platform,
  fetchCredential,
  cache,
  sealer,
  clock,
}: PlatformCredentialParts): PlatformCredentials {
  /** What this process last used, so that a call costs no trip to the cache. */
  const known = new Map<string, Credential & { renewAt: number }>()
  const renewals = new Map<string, Promise<Credential>>()

  const now = () => clock.now().getTime()
  const keyOf = ({ appid }: AppConfig) => `platform-credential:${platform}:${appid}`
  const usable = ({ expiresAt }: Credential) => expiresAt - END_MARGIN_MS > now()
  const fresh = ({ expiresAt }: Credential) => expiresAt - RENEW_BEFORE_MS > now()

  /** What all replicas share: the sealed text, for compare and swap, and what is in it, if it opens. */
  async function readShared(app: AppConfig): Promise<{ sealed?: string; credential?: Credential }> {
    const sealed = await cache.get(keyOf(app)).catch(unlessAway)
    if (sealed === undefined) return {}
    try {
      return { sealed, credential: JSON.parse(sealer.open(sealed, keyOf(app))) as Credential }
    } catch (error) {
      // Sealed under an encryption key that is gone: to be replaced.
      if (error instanceof SealError) return { sealed }
      throw error
    }
  }

  /** Shares the credential unless a newer one is there already, and answers the newer of the two. */
  async function share(app: AppConfig, fetched: Credential): Promise<Credential> {
    const value = sealer.seal(JSON.stringify(fetched), keyOf(app))
    const ttlMs = fetched.expiresAt - now()
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt += 1) {
      const { sealed, credential } = await readShared(app)
      if (credential && credential.expiresAt >= fetched.expiresAt) return credential
      const storing =
        sealed === undefined
          ? cache.setIfAbsent(keyOf(app), value, ttlMs)
          : cache.replace(keyOf(app), sealed, value, ttlMs)
      const stored = await storing.catch(unlessAway)
      if (stored !== false) break
    }
    return fetched
  }

  /** Another than the one that the platform itself refused, where it would give that again. */
  async function fetchNew(app: AppConfig, refused: string | undefined): Promise<Credential> {
    const askedAt = now()
    let fetched = await fetchCredential(app, false)
    if (fetched.text === refused) fetched = await fetchCredential(app, true)
    const { text, expiresInSeconds } = fetched
    return { text, expiresAt: askedAt + expiresInSeconds * 1000 }
  }

  /** The shared credential if it is fresh, else a new one, fetched by whoever holds the claim. */
  async function renew(app: AppConfig, refused: string | undefined): Promise<Credential> {
    const { credential } = await readShared(app)
    if (credential && fresh(credential)) return credential
    const claimKey = `${keyOf(app)}:renewal`
    const claim = randomToken()
    const claimed = await cache.setIfAbsent(claimKey, claim, CLAIM_MS).catch(unlessAway)
    if (claimed === false) {
      // Another replica is at it: the old one still does, or its new one comes.
      const other = credential && usable(credential) ? credential : await waitForOther(app)
      if (other) return other
    }
    try {
      const again = claimed ? (await readShared(app)).credential : undefined
      if (again && fresh(again)) return again
      return await share(app, await fetchNew(app, refused))
    } finally {
      if (claimed) await cache.deleteIf(claimKey, claim).catch(unlessAway)
    }
  }

  async function waitForOther(app: AppConfig): Promise<Credential | undefined> {
    for (const until = performance.now() + WAIT_MS; performance.now() < until; ) {
      await pause(POLL_MS)
      const { credential } = await readShared(app)
      if (credential && usable(credential)) return credential
    }
    return undefined
  }

  /** One renewal per app at a time in this process, too. */
  function renewOnce(app: AppConfig, refused?: string): Promise<Credential> {
    const underWay = renewals.get(app.appid)
    if (underWay) return underWay
    const renewal = renew(app, refused)
      .then((credential) => {
        const renewAt = Math.max(credential.expiresAt - RENEW_BEFORE_MS, now() + RENEW_AGAIN_MS)
        known.set(app.appid, { ...credential, renewAt })
        return credential
      })
      .finally(() => renewals.delete(app.appid))
    renewals.set(app.appid, renewal)
    return renewal
  }

  async function current(app: AppConfig): Promise<Credential> {
    const kept = known.get(app.appid)
    if (!kept || !usable(kept)) return await renewOnce(app)
    if (kept.renewAt <= now()) {
      kept.renewAt = now() + RENEW_AGAIN_MS
      // In the background: nobody waits for it, and if it fails the next call tries again.
      renewOnce(app).catch(() => undefined)
    }
    return kept
  }

  async function drop(app: AppConfig, failed: string): Promise<void> {
    if (known.get(app.appid)?.text === failed) known.delete(app.appid)
    const { sealed, credential } = await readShared(app)
    if (sealed !== undefined && credential?.text === failed) await cache.deleteIf(keyOf(app), sealed).catch(unlessAway)
  }

  return {
    async lend(app, refused) {
      let credential = await current(app)
      const reported = refused !== undefined && createHash('sha256').update(credential.text).digest('hex') === refused
      if (reported) {
        await drop(app, credential.text)
        credential = await renewOnce(app, credential.text)
      }
      const expiresInSeconds = Math.max(0, Math.floor((credential.expiresAt - END_MARGIN_MS - now()) / 1000))
      return { text: credential.text, expiresInSeconds, renewed: reported }
    },
    async use(app, call, time) {
      const wait = <T>(work: Promise<T>) => (time ? time.wait(`${platform}.credential`, work) : work)
      const { text: credential } = await wait(current(app))
      try {
        return await call(credential)
      } catch (error) {
        if (!(error instanceof PlatformError) || error.refusal !== 'credential_invalid') throw error
        await wait(drop(app, credential))
        return await call((await wait(current(app))).text)
      }
    },
  }
}

/** Without the cache the credential is this process's own. */
function unlessAway(error: unknown): undefined {
  if (error instanceof CacheUnavailable) return undefined
  throw error
}
