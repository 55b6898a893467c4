/** The key ring of this process: loads the keys, signs with the active one, publishes the rest, and adds the next in time. */
import { createHash, createPublicKey, type KeyObject } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type { Actor } from '../actor.ts'
import type { Clock } from '../clock.ts'
import { SealError, type Sealer } from '../crypto/seal.ts'
import { GatewayError } from '../errors.ts'
import type { ClockSkew } from '../storage/clock-skew.ts'
import {
  activeKey,
  decide,
  keyState,
  type ListedKey,
  leadSeconds,
  listedKeys,
  nextGeneration,
  nextPending,
  type RingKey,
  reloadSeconds,
  type Schedule,
} from './schedule.ts'
import { createSigner, generateSigningKey, isNamedRight, type SignJws } from './signing-key.ts'
import type { KeyStore, StoredKey, Successor } from './store.ts'
import { warningsOfNewKey, warningsOfRetiredKey } from './verifier-caches.ts'

export { type ListedKey, shownKey } from './schedule.ts'

export type PublishedDocument = { body: string; etag: string }

export type KeyRing = {
  /** Reads the keys, adds one when due, drops those that are gone. Throws when the store is away or a key cannot be decrypted. */
  tick(): Promise<void>
  /** How long to wait before the next tick. */
  tickEveryMs: number
  /** Whether there is a key to sign with. */
  ready(): boolean
  /** Whether this process's clock is right enough to sign with. */
  maySign(): boolean
  /** A compact JWS (RFC 7515) of the payload under the active key. Throws B0320 when there is no key or the clock is wrong. */
  sign(typ: string, payload: string): Promise<string>
  /** The published key of that kid. */
  verificationKey(kid: string): { key: KeyObject; alg: string } | undefined
  jwks(): PublishedDocument
  /** The algorithms of the published keys. */
  algorithms(): string[]
  list(): ListedKey[]
  /** Publishes a new key now, which signs after the usual publish-ahead or as soon as is asked. */
  rotate(activateAfterSeconds: number | undefined, actor: Actor): Promise<KeyChange>
  /**
   * Takes a key out at once: nothing it signed is accepted here any more. If it was the active one, the next pending key, or a new
   * one, signs from now on. Undefined when there is no such key.
   */
  retire(kid: string, actor: Actor): Promise<KeyChange | undefined>
}

/** The keys after a change, and who must be told of it; also which key cannot be opened and must go too. */
export type KeyChange = { keys: ListedKey[]; warnings: string[] }

/** A key that only verifies any more is loaded without its private half, so it need not be opened. */
type LoadedKey = RingKey & { publicJwk: Record<string, unknown>; key: KeyObject; sign: SignJws | undefined }

export const sealContext = (kid: string) => `signing-key:${kid}`

const MAX_ROTATE_ATTEMPTS = 5

export type KeyRingParts = {
  store: KeyStore
  sealer: Sealer
  /** The database's: every replica decides by the same time. */
  clock: Clock
  schedule: Schedule
  /** Checked before each signature; the command line signs nothing. */
  skew?: Pick<ClockSkew, 'problem'>
  /** Told of keys in the store whose public half is not what their kid names. */
  onForged?: (kids: readonly string[]) => void
}

export function createKeyRing({ store, sealer, clock, schedule, skew, onForged }: KeyRingParts): KeyRing {
  let keys: LoadedKey[] = []
  let published: PublishedDocument = document([])
  let alerted = ''
  let lastGeneration = 0
  const headers = new Map<string, string>()

  function load(stored: StoredKey, signs: boolean): LoadedKey {
    const known = keys.find((key) => key.kid === stored.kid)
    if (known && (known.sign || !signs))
      return { ...known, activatesAt: stored.activatesAt, retiredAt: stored.retiredAt }
    const { sealedPrivateJwk, ...rest } = stored
    return {
      ...rest,
      sign: signs ? createSigner(stored.alg, JSON.parse(openKey(sealer, stored))) : undefined,
      key: createPublicKey({ key: stored.publicJwk, format: 'jwk' }),
    }
  }

  /** A public key that its kid does not name is nobody's: it is neither published nor believed. One loaded before stays as it was. */
  async function listGenuine(): Promise<StoredKey[]> {
    const all = await store.list()
    lastGeneration = nextGeneration(all) - 1
    const right = await Promise.all(all.map((key) => keys.some((known) => isSame(known, key)) || isNamedRight(key)))
    const forged = all.filter((_, index) => !right[index]).map(({ kid }) => kid)
    if (forged.length > 0 && forged.join() !== alerted) onForged?.(forged)
    alerted = forged.join()
    return all.filter((key, index) => right[index] || keys.some(({ kid }) => kid === key.kid))
  }

  async function reload(): Promise<void> {
    const stored = (await listGenuine()).map((key, _, all) => ({
      key,
      state: keyState(key, all, clock.now(), schedule),
    }))
    const gone = stored.filter(({ state }) => state === 'gone').map(({ key }) => key.kid)
    keys = stored.filter(({ state }) => state !== 'gone').map(({ key, state }) => load(key, state !== 'retiring'))
    published = document(keys.map((key) => key.publicJwk))
    if (gone.length > 0) await store.remove(gone)
  }

  /** The change is made already: a key that cannot be opened is told of, since it has to go too. */
  async function afterChange(warnings: string[]): Promise<KeyChange> {
    const problem = await reload().then(
      () => undefined,
      (error: unknown) => {
        if (error instanceof SealError) return error.message
        throw error
      },
    )
    const left = (await store.list()).filter((key) => key.retiredAt === null)
    return {
      keys: listedKeys(left, clock.now(), schedule).filter(({ state }) => state !== 'gone'),
      warnings: problem === undefined ? warnings : [...warnings, problem],
    }
  }

  async function newKey(generation: number, activatesAt: Date): Promise<StoredKey> {
    const { kid, alg, publicJwk, privateJwk } = await generateSigningKey(schedule.alg)
    const sealedPrivateJwk = sealer.seal(JSON.stringify(privateJwk), sealContext(kid))
    return {
      kid,
      generation,
      alg,
      publishedAt: clock.now(),
      activatesAt,
      retiredAt: null,
      publicJwk: { ...publicJwk },
      sealedPrivateJwk,
    }
  }

  const noticeSeconds = reloadSeconds(schedule)

  async function rotate(activateAfterSeconds: number | undefined, actor: Actor): Promise<KeyChange> {
    const waitSeconds = activateAfterSeconds ?? leadSeconds(schedule)
    for (let attempt = 1; attempt <= MAX_ROTATE_ATTEMPTS; attempt += 1) {
      const at = clock.now()
      const key = await newKey(nextGeneration(await store.list()), new Date(at.getTime() + waitSeconds * 1000))
      const detail = { kid: key.kid, activates_at: key.activatesAt.toISOString() }
      if (!(await store.add(key, { kind: 'key_rotated', at, actor, detail }))) continue
      return await afterChange(warningsOfNewKey(waitSeconds, schedule, noticeSeconds))
    }
    throw new GatewayError('B0320', { note: 'every generation was taken by another rotation', retryAfterSeconds: 1 })
  }

  async function retire(kid: string, actor: Actor): Promise<KeyChange | undefined> {
    const at = clock.now()
    let warnings = warningsOfRetiredKey(noticeSeconds)
    async function successorOf(all: readonly StoredKey[]): Promise<Successor> {
      if (activeKey(all, at)?.kid !== kid) return undefined
      // A pending key is in many caches already, which a new one is not.
      const pending = nextPending(
        all.filter((key) => opens(sealer, key)),
        at,
      )
      const publishedSeconds = pending ? Math.floor((at.getTime() - pending.publishedAt.getTime()) / 1000) : 0
      warnings = [...warnings, ...warningsOfNewKey(publishedSeconds, schedule, noticeSeconds)]
      return pending ? { promote: pending.kid } : { add: await newKey(nextGeneration(all), at) }
    }
    const found = await store.retire(kid, { kind: 'key_retired', at, actor, detail: { kid } }, successorOf)
    if (!found) return undefined
    return await afterChange(warnings)
  }

  return {
    tickEveryMs: reloadSeconds(schedule) * 1000,
    async tick() {
      await reload()
      const decision = decide(keys, clock.now(), schedule)
      if (!decision.add) return
      // Whether this replica wins or another does, the reload finds the one key of that generation.
      await store.add(await newKey(Math.max(decision.generation, lastGeneration + 1), decision.activatesAt))
      await reload()
    },
    ready: () => keys.some((key) => key.retiredAt === null),
    maySign: () => skew?.problem() === undefined,
    async sign(typ, payload) {
      const problem = skew?.problem()
      if (problem) throw new GatewayError('B0320', { note: problem, retryAfterSeconds: 10 })
      // Of those that can: after the database's time went back, an older key that only verifies may look like the active one.
      const active = activeKey(
        keys.filter(({ sign }) => sign !== undefined),
        clock.now(),
      )
      if (!active?.sign) throw new GatewayError('B0320', { note: 'no signing key is loaded yet', retryAfterSeconds: 2 })
      const headerId = `${active.kid} ${typ}`
      let header = headers.get(headerId)
      if (header === undefined) {
        header = Buffer.from(JSON.stringify({ alg: active.alg, kid: active.kid, typ })).toString('base64url')
        headers.set(headerId, header)
      }
      const input = `${header}.${Buffer.from(payload).toString('base64url')}`
      return `${input}.${await active.sign(input)}`
    },
    verificationKey(kid) {
      const found = keys.find((key) => key.kid === kid)
      return found && { key: found.key, alg: found.alg }
    },
    jwks: () => published,
    algorithms: () => [...new Set(keys.map((key) => key.alg))],
    list: () => listedKeys(keys, clock.now(), schedule),
    rotate,
    retire,
  }
}

/** The private JWK as text. Throws a SealError that says what to do about it. */
export function openKey(sealer: Sealer, { kid, sealedPrivateJwk }: StoredKey): string {
  try {
    return sealer.open(sealedPrivateJwk, sealContext(kid))
  } catch (error) {
    if (!(error instanceof SealError)) throw error
    throw new SealError(
      `cannot decrypt signing key ${kid}: ${error.message}. Put that encryption key back into ENCRYPTION_KEYS; if it is lost, ` +
        `retire the signing key (auth-gateway keys retire ${kid}) and a new one is made: docs/runbook.md, "Lost encryption key"`,
      error.keyId,
    )
  }
}

export function opens(sealer: Sealer, key: StoredKey): boolean {
  try {
    openKey(sealer, key)
    return true
  } catch (error) {
    if (error instanceof SealError) return false
    throw error
  }
}

const isSame = (known: LoadedKey, { kid, publicJwk }: StoredKey): boolean =>
  known.kid === kid && isDeepStrictEqual(known.publicJwk, publicJwk)

function document(publicJwks: readonly Record<string, unknown>[]): PublishedDocument {
  const body = JSON.stringify({ keys: publicJwks })
  return { body, etag: `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"` }
}
