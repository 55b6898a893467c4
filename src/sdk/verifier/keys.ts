/** The gateway's public keys, kept in memory as ready CryptoKeys, so that finding one costs a map lookup. */

import { type CryptoKey, importJWK, type JWK } from 'jose'
import { VerifierError } from './error.ts'
import { isRecord } from './form.ts'
import { createRefresher } from './refresher.ts'
import { type GatewaySource, reasonOf } from './source.ts'

export type Algorithm = 'ES256' | 'RS256' | 'EdDSA'

export type KeySetOptions = {
  issuer: string
  source: GatewaySource
  algorithms: readonly Algorithm[]
  /** How long keys are trusted when the gateway cannot be reached. */
  maxStaleSeconds: number
  /** The longest a request waits for the network. */
  waitMs: number
  onFailure(url: string, error: unknown): void
}

export type KeySet = {
  /** The key a token names; at once when it is known. Rejects with `key_unknown`, `algorithm_refused`, `keys_unavailable`. */
  find(header: { kid?: unknown; alg?: unknown }): CryptoKey | Promise<CryptoKey>
  /** Fetches now, or joins the fetch under way; afterwards `usable()` tells whether there are keys. */
  refresh(): Promise<void>
  usable(): boolean
  /** What to throw when they are not: with the URL and what went wrong there. */
  unavailable(): VerifierError
  /** From discovery: where all status lists are named. */
  statusListAggregation(): string | undefined
  state(): { kids: string[]; ageSeconds: number | null; failing: boolean }
  stop(): void
}

type PublishedKey = { alg: string; key: CryptoKey }
type Metadata = { jwksUri: string; statusListAggregation: string | undefined }

const UNKNOWN_KID_INTERVAL_MS = 30_000
const DEFAULT_MAX_AGE_SECONDS = 300
const LONGEST_MAX_AGE_SECONDS = 3600
const MAX_BYTES = 256 * 1024

/** Elapsed time does not follow the process's clock, which may be set. */
const elapsedMs = (): number => performance.now()

export function createKeySet(options: KeySetOptions): KeySet {
  const { issuer, source, algorithms, maxStaleSeconds, waitMs, onFailure } = options
  const configurationUrl = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
  let metadata: Metadata | undefined
  let keys: ReadonlyMap<string, PublishedKey> = new Map()
  let etag: string | undefined
  let maxAgeSeconds = DEFAULT_MAX_AGE_SECONDS
  let fetchedAtMs: number | undefined
  let unknownKidAtMs = Number.NEGATIVE_INFINITY
  let unknownKidFetch: Promise<void> | undefined

  const refresher = createRefresher({
    async load() {
      metadata ??= await discover()
      const { jwksUri } = metadata
      const answer = await source.get(jwksUri, { accept: 'application/json', maxBytes: MAX_BYTES, etag })
      if (answer.changed) {
        keys = await importKeys(JSON.parse(answer.body), algorithms, (error) => onFailure(jwksUri, error))
        etag = answer.etag
        // A key leaves this set when it leaves the JWKS, so no reply may be kept for long, whatever it says.
        maxAgeSeconds = Math.min(answer.maxAgeSeconds || DEFAULT_MAX_AGE_SECONDS, LONGEST_MAX_AGE_SECONDS)
      }
      fetchedAtMs = elapsedMs()
      const clock = source.clockError()
      if (clock !== undefined) onFailure(jwksUri, new Error(clock))
      return maxAgeSeconds
    },
    onFailure(error) {
      onFailure(metadata?.jwksUri ?? configurationUrl, error)
      metadata = undefined // The JWKS may have moved: ask again where it is.
    },
  })

  /** OpenID Connect Discovery 1.0 section 4.3: the document must name the very issuer it was asked for. */
  async function discover(): Promise<Metadata> {
    const answer = await source.get(configurationUrl, { accept: 'application/json', maxBytes: MAX_BYTES })
    const document: unknown = answer.changed ? JSON.parse(answer.body) : undefined
    if (!isRecord(document)) throw new Error(`${configurationUrl} is no metadata`)
    if (document.issuer !== issuer) {
      const found = JSON.stringify(document.issuer)?.slice(0, 200)
      throw new Error(`${configurationUrl} is the metadata of the issuer ${found}, this verifier is for "${issuer}"`)
    }
    if (typeof document.jwks_uri !== 'string') throw new Error(`${configurationUrl} names no jwks_uri`)
    const aggregation = document.status_list_aggregation_endpoint
    return {
      jwksUri: document.jwks_uri,
      statusListAggregation: typeof aggregation === 'string' ? aggregation : undefined,
    }
  }

  const usable = (): boolean => fetchedAtMs !== undefined && elapsedMs() - fetchedAtMs < maxStaleSeconds * 1000

  function unavailable(): VerifierError {
    const cause = refresher.lastError()
    const why = cause === undefined ? `${configurationUrl} has not answered yet` : reasonOf(cause)
    return new VerifierError('keys_unavailable', `the signing keys cannot be fetched: ${why}`, { cause })
  }

  function find({ kid, alg }: { kid?: unknown; alg?: unknown }): CryptoKey | Promise<CryptoKey> {
    if (typeof kid !== 'string') throw new VerifierError('key_unknown', 'the token names no key')
    const known = usable() ? keys.get(kid) : undefined
    return known ? matching(known, alg) : findAfterFetch(kid, alg)
  }

  /**
   * The one exception to "no call on the request path": there are no keys yet, or the token names a key we have not
   * seen. The gateway publishes a key a day before it signs, so a good token gets here only after an emergency rotation.
   */
  async function findAfterFetch(kid: string, alg: unknown): Promise<CryptoKey> {
    if (!usable()) {
      await refresher.settle(waitMs)
      if (!usable()) throw unavailable()
    } else if (elapsedMs() - unknownKidAtMs >= UNKNOWN_KID_INTERVAL_MS) {
      unknownKidAtMs = elapsedMs()
      unknownKidFetch = refresher.settle(waitMs)
      await unknownKidFetch
    } else {
      await unknownKidFetch // Done long ago, or shared with the request that started it.
    }
    const found = keys.get(kid)
    if (found) return matching(found, alg)
    if (refresher.failing()) throw unavailable()
    throw new VerifierError('key_unknown', 'the token is signed by no published key')
  }
  return {
    find,
    refresh: refresher.refresh,
    usable,
    unavailable,
    statusListAggregation: () => metadata?.statusListAggregation,
    state: () => ({
      kids: [...keys.keys()],
      ageSeconds: fetchedAtMs === undefined ? null : Math.round((elapsedMs() - fetchedAtMs) / 1000),
      failing: refresher.failing(),
    }),
    stop: refresher.stop,
  }
}

/** RFC 8725 section 3.1: a key is used with its own algorithm alone, whatever the token's header says. */
function matching({ alg, key }: PublishedKey, tokenAlg: unknown): CryptoKey {
  if (tokenAlg === alg) return key
  throw new VerifierError('algorithm_refused', 'the token was not signed with the algorithm of its key')
}

/** Keeps the signing keys that name an allowed algorithm and are public; a set with none of them counts as a failure. */
async function importKeys(
  jwks: unknown,
  algorithms: readonly string[],
  onIgnored: (error: unknown) => void,
): Promise<ReadonlyMap<string, PublishedKey>> {
  const listed = isRecord(jwks) && Array.isArray(jwks.keys) ? (jwks.keys as unknown[]) : []
  const keys = new Map<string, PublishedKey>()
  for (const jwk of listed) {
    if (!isRecord(jwk) || typeof jwk.kid !== 'string' || keys.has(jwk.kid)) continue
    // CVE-2026-22817 and its kind: a key that names no algorithm of its own would take the token's.
    if (typeof jwk.alg !== 'string' || !algorithms.includes(jwk.alg)) continue
    if (jwk.use !== undefined && jwk.use !== 'sig') continue
    try {
      const key = await importJWK(jwk as JWK, jwk.alg)
      if (key instanceof Uint8Array || key.type !== 'public') throw new Error('only public keys belong in a JWKS')
      keys.set(jwk.kid, { alg: jwk.alg, key })
    } catch (error) {
      onIgnored(error)
    }
  }
  if (keys.size === 0) throw new Error('the JWKS holds no usable key')
  return keys
}
