/**
 * The verifier SDK: a service checks the gateway's access tokens in its own process. Keys and status lists are fetched
 * in the background and kept, so a request costs one signature check, and the gateway may be down.
 */

import { errors, type JWTPayload, type JWTVerifyOptions, jwtVerify } from 'jose'
import { VerifierError } from './error.ts'
import { type Algorithm, createKeySet, isRecord } from './keys.ts'
import { createGatewaySource } from './source.ts'
import { createStatusLists } from './status.ts'

export { VerifierError, type VerifierErrorCode } from './error.ts'

export type VerifierOptions = {
  /** The gateway's `ISSUER`, letter for letter. */
  issuer: string
  /** The audience this service answers to; with several, a token for any of them is accepted. */
  audience: string | readonly string[]
  /** Where this service reaches the gateway, e.g. `http://auth-gateway.auth.svc:8080`; the issuer by default. */
  baseUrl?: string
  /** Default all three: `ES256`, `RS256`, `EdDSA`. A key is never used with an algorithm other than its own. */
  algorithms?: readonly Algorithm[]
  /** For `exp` and `nbf`. Default 5. */
  clockToleranceSeconds?: number
  /** How long keys are trusted while the gateway cannot be reached; after that `keys_unavailable`. Default 86400. */
  maxStaleSeconds?: number
  /**
   * What becomes of a token whose status list cannot be had or is past its `exp`. `allow` (default): accepted unless
   * its session is known to have ended, so what ended during the outage is bounded by the token's own `exp`.
   * `refuse`: `status_unavailable`.
   */
  onStaleStatus?: 'allow' | 'refuse'
  /** What becomes of a token without a `status` claim. Default `allow`; `refuse` answers `claim_missing`. */
  onMissingStatus?: 'allow' | 'refuse'
  /** The longest a request waits for the network, in the few cases where it does. Default 2000. */
  waitMs?: number
  /** The limit of one fetch. Default 5000. */
  fetchTimeoutMs?: number
  fetch?: typeof fetch
  now?: () => Date
  /** Told of failures in the background; the verifier goes on and tries again. */
  onFailure?: (failure: VerifierFailure) => void
}

export type VerifierFailure = { part: 'keys' | 'status'; url: string; error: unknown }

/** The claims of an access token (RFC 9068), checked: types and presence are as stated. */
export type AccessTokenClaims = {
  iss: string
  /** The user's id. */
  sub: string
  aud: string | string[]
  /** The mini program's appid. */
  client_id: string
  iat: number
  exp: number
  jti: string
  /** The session's id. */
  sid: string
  roles?: string[]
  status?: { status_list: { idx: number; uri: string } }
  openid?: string
  unionid?: string
  platform?: string
}

export type VerifierState = {
  /** Keys are there and not too old. */
  usable: boolean
  keys: { kids: string[]; ageSeconds: number | null; failing: boolean }
  statusLists: { uri: string; ageSeconds: number | null; expired: boolean; failing: boolean }[]
}

export type Verifier = {
  /** The claims of a good token of a live session; rejects with a {@link VerifierError} otherwise. */
  verify(token: string | undefined): Promise<AccessTokenClaims>
  /** Loads keys and status lists before the first request; rejects with `keys_unavailable`, and goes on trying. */
  ready(): Promise<void>
  /** For a health page. */
  state(): VerifierState
  /** Stops the background work; `verify` goes on with what is known. */
  close(): void
}

const ALGORITHMS = ['ES256', 'RS256', 'EdDSA'] as const
const MAX_TOKEN_CHARS = 16_384
const REQUIRED_TEXTS = ['sub', 'sid', 'client_id', 'jti'] as const
const OPTIONAL_TEXTS = ['openid', 'unionid', 'platform'] as const

export function createVerifier(options: VerifierOptions): Verifier {
  const { issuer, audience, baseUrl, algorithms = ALGORITHMS, clockToleranceSeconds = 5 } = options
  const { maxStaleSeconds = 86_400, waitMs = 2000, fetchTimeoutMs = 5000, now = () => new Date() } = options
  const { onStaleStatus = 'allow', onMissingStatus = 'allow' } = options
  // Without these jose would skip the check, so a service that forgot its configuration must not start (ASVS V9.2.3).
  if (!URL.canParse(issuer)) throw new TypeError('issuer must be a URL')
  if (audience.length === 0) throw new TypeError('audience must not be empty')
  if (algorithms.length === 0) throw new TypeError('algorithms must not be empty')

  const report = (part: VerifierFailure['part']) => (url: string, error: unknown) => {
    try {
      options.onFailure?.({ part, url, error })
    } catch {
      // A fault in the service's own logging must not end the polling.
    }
  }
  const source = createGatewaySource({
    issuer,
    baseUrl,
    fetch: options.fetch ?? globalThis.fetch,
    timeoutMs: fetchTimeoutMs,
  })
  const keys = createKeySet({
    issuer,
    source,
    algorithms,
    nowMs: () => now().getTime(),
    maxStaleSeconds,
    waitMs,
    onFailure: report('keys'),
  })
  const lists = createStatusLists({
    source,
    keys,
    algorithms,
    clockToleranceSeconds,
    now,
    waitMs,
    onFailure: report('status'),
  })

  const checks: JWTVerifyOptions = {
    issuer,
    audience: typeof audience === 'string' ? audience : [...audience],
    algorithms: [...algorithms],
    requiredClaims: ['exp'],
    clockTolerance: clockToleranceSeconds,
  }

  async function verifySignedClaims(token: string): Promise<JWTPayload> {
    try {
      const { payload } = await jwtVerify(
        token,
        (header) => {
          requireAccessTokenType(header.typ)
          return keys.find(header)
        },
        { ...checks, currentDate: now() },
      )
      return payload
    } catch (error) {
      throw error instanceof VerifierError ? error : refusalFor(error)
    }
  }

  async function requireLiveSession({ status, exp }: AccessTokenClaims): Promise<void> {
    if (status === undefined) {
      if (onMissingStatus === 'refuse') throw new VerifierError('claim_missing', 'the token has no "status"')
      return
    }
    const { uri, idx } = status.status_list
    const found = lists.lookUp(uri, idx, exp)
    const session = typeof found === 'string' ? found : await found
    if (session === 'ended') throw new VerifierError('session_ended', 'the session has ended')
    if (session === 'unknown' && onStaleStatus === 'refuse') {
      throw new VerifierError('status_unavailable', 'the session’s status cannot be fetched')
    }
  }

  return {
    async verify(token) {
      if (!token) throw new VerifierError('token_missing', 'there is no token')
      if (token.length > MAX_TOKEN_CHARS) throw new VerifierError('token_malformed', 'the token is too long')
      const claims = accessTokenClaims(await verifySignedClaims(token))
      await requireLiveSession(claims)
      return claims
    },

    async ready() {
      await keys.refresh()
      if (!keys.usable()) throw new VerifierError('keys_unavailable', 'the signing keys cannot be fetched')
      const aggregation = keys.statusListAggregation()
      if (aggregation === undefined) return
      await lists.preload(aggregation).catch((error) => report('status')(aggregation, error))
    },

    state: () => ({ usable: keys.usable(), keys: keys.state(), statusLists: lists.state() }),

    close() {
      keys.stop()
      lists.stop()
      source.close()
    },
  }
}

/**
 * RFC 8725 section 3.11: what the gateway signs for another purpose (a status list) is no access token, though key,
 * issuer and signature be right. RFC 7515 section 4.1.9: `application/` may be left out, case does not count.
 */
function requireAccessTokenType(typ: unknown): void {
  if (typ === 'JWT' || typ === 'at+jwt') return
  const name = typeof typ === 'string' ? typ.toLowerCase().replace(/^application\//, '') : undefined
  if (name === 'jwt' || name === 'at+jwt') return
  throw new VerifierError('type_mismatch', 'this is not an access token')
}

/** The shape of a token whose signature holds; `iss`, `aud` and `exp` have been checked by then. */
function accessTokenClaims(payload: JWTPayload): AccessTokenClaims {
  for (const name of REQUIRED_TEXTS) {
    if (payload[name] === undefined) throw new VerifierError('claim_missing', `the token has no "${name}"`)
    if (typeof payload[name] !== 'string' || payload[name] === '') throw invalidClaim(name)
  }
  for (const name of OPTIONAL_TEXTS) {
    if (payload[name] !== undefined && typeof payload[name] !== 'string') throw invalidClaim(name)
  }
  if (payload.iat === undefined) throw new VerifierError('claim_missing', 'the token has no "iat"')
  const { roles, status } = payload
  if (roles !== undefined && !(Array.isArray(roles) && roles.every((role) => typeof role === 'string'))) {
    throw invalidClaim('roles')
  }
  if (status !== undefined && !isStatusReference(status)) throw invalidClaim('status')
  return payload as AccessTokenClaims
}

function isStatusReference(status: unknown): boolean {
  const reference = isRecord(status) ? status.status_list : undefined
  if (!isRecord(reference)) return false
  return typeof reference.uri === 'string' && Number.isSafeInteger(reference.idx) && Number(reference.idx) >= 0
}

const invalidClaim = (name: string): VerifierError =>
  new VerifierError('claim_invalid', `the token's "${name}" is not what it should be`)

/** jose's error without jose's error: that one carries the whole payload, which does not belong in a log. */
function refusalFor(error: unknown): VerifierError {
  if (error instanceof errors.JWTExpired) return new VerifierError('token_expired', 'the token has expired')
  if (error instanceof errors.JWSSignatureVerificationFailed) {
    return new VerifierError('signature_invalid', 'the signature does not fit')
  }
  if (error instanceof errors.JOSEAlgNotAllowed) {
    return new VerifierError('algorithm_refused', 'the algorithm is not allowed')
  }
  if (!(error instanceof errors.JWTClaimValidationFailed)) {
    return new VerifierError('token_malformed', 'this is not a signed JWT')
  }
  const { claim, reason } = error
  if (reason === 'missing') return new VerifierError('claim_missing', `the token has no "${claim}"`)
  if (claim === 'iss') return new VerifierError('issuer_mismatch', 'the token is of another issuer')
  if (claim === 'aud') return new VerifierError('audience_mismatch', 'the token is for another audience')
  if (claim === 'nbf' && reason === 'check_failed') {
    return new VerifierError('token_not_yet_valid', 'the token is not valid yet')
  }
  return invalidClaim(claim)
}
