/**
 * The verifier SDK: a service checks the gateway's access tokens in its own process. Keys and status lists are fetched
 * in the background and kept, so a request costs one signature check, and the gateway may be down.
 */

import { ACCESS_TOKEN, type AccessTokenClaims, accessTokenClaims } from './claims.ts'
import { VerifierError } from './error.ts'
import { SECURITY_EVENT, type SecurityEvent, securityEvent } from './event.ts'
import { type Algorithm, createKeySet } from './keys.ts'
import { createSignedTokens } from './signed.ts'
import { createGatewaySource, reasonOf } from './source.ts'
import { createStatusLists, type StatusListState } from './status.ts'

export type { AccessTokenClaims } from './claims.ts'
export { VerifierError, type VerifierErrorCode } from './error.ts'
export type { SecurityEvent } from './event.ts'

export type VerifierOptions = {
  /** The gateway's `ISSUER`, letter for letter. */
  issuer: string
  /** The audience this service answers to; with several, a token for any of them is accepted. */
  audience: string | readonly string[]
  /** Where this service reaches the gateway, e.g. `http://gateway.auth-gateway.svc`; the issuer by default. */
  baseUrl?: string
  /** Default all three: `ES256`, `RS256`, `EdDSA`. A key is never used with an algorithm other than its own. */
  algorithms?: readonly Algorithm[]
  /** For `exp` and `nbf`. Default 5. */
  clockToleranceSeconds?: number
  /** How long keys are trusted while the gateway cannot be reached; after that `keys_unavailable`. Default 86400. */
  maxStaleSeconds?: number
  /**
   * What to do with a token whose status list is unavailable or past its `exp`. `allow` (default): accepted unless
   * its session is known to have ended, so what ended during the outage is bounded by the token's own `exp`.
   * `refuse`: `status_unavailable`.
   */
  onStaleStatus?: 'allow' | 'refuse'
  /** What to do with a token without a `status` claim. Default `allow`; `refuse` answers `claim_missing`. */
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

export type VerifierState = {
  /** Keys are there and not too old. */
  usable: boolean
  keys: { kids: string[]; ageSeconds: number | null; failing: boolean }
  statusLists: StatusListState[]
}

export type Verifier = {
  /** The claims of a good token of a live session; rejects with a {@link VerifierError} otherwise. */
  verify(token: string | undefined): Promise<AccessTokenClaims>
  /**
   * What a security event token of the gateway says (RFC 8417), for whoever receives them by push (RFC 8935) or poll
   * (RFC 8936); rejects with a {@link VerifierError}. An access token is never taken for an event, nor an event for one.
   */
  verifyEvent(jwt: string | undefined): Promise<SecurityEvent>
  /** Loads keys and status lists before the first request; rejects with `keys_unavailable`, and goes on trying. */
  ready(): Promise<void>
  /** For a health page. */
  state(): VerifierState
  /** Stops the background work; `verify` goes on with what is known. */
  close(): void
}

const ALGORITHMS = ['ES256', 'RS256', 'EdDSA'] as const

export function createVerifier(options: VerifierOptions): Verifier {
  const { issuer, audience, baseUrl, algorithms = ALGORITHMS, clockToleranceSeconds = 5 } = options
  const { maxStaleSeconds = 86_400, waitMs = 2000, fetchTimeoutMs = 5000, now = () => new Date() } = options
  const { onStaleStatus = 'allow', onMissingStatus = 'allow' } = options
  // Without these jose would skip the check, so a service that forgot its configuration must not start (ASVS V9.2.3).
  if (!issuer || !URL.canParse(issuer)) throw new TypeError('issuer must be a URL: the ISSUER of the gateway')
  const audiences = typeof audience === 'string' ? [audience] : [...(audience ?? [])]
  if (audiences.length === 0 || audiences.includes('')) {
    throw new TypeError('audience must not be empty: it is the name of this service in the "aud" of its tokens')
  }
  if (algorithms.length === 0) throw new TypeError('algorithms must not be empty')

  const report = createReport(options.onFailure)
  const source = createGatewaySource({
    issuer,
    baseUrl,
    fetch: options.fetch ?? globalThis.fetch,
    timeoutMs: fetchTimeoutMs,
    now,
  })
  const keys = createKeySet({
    issuer,
    source,
    algorithms,
    maxStaleSeconds,
    waitMs,
    onFailure: report('keys'),
  })
  const lists = createStatusLists({
    issuer,
    source,
    keys,
    algorithms,
    clockToleranceSeconds,
    now,
    waitMs,
    onFailure: report('status'),
  })

  const tokens = createSignedTokens({
    issuer,
    audience: audiences,
    algorithms,
    clockToleranceSeconds,
    keys,
    now,
    clockError: source.clockError,
  })

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
      const claims = accessTokenClaims(await tokens.open(token, ACCESS_TOKEN))
      await requireLiveSession(claims)
      return claims
    },

    async verifyEvent(jwt) {
      return securityEvent(await tokens.open(jwt, SECURITY_EVENT))
    },

    async ready() {
      await keys.refresh()
      if (!keys.usable()) throw keys.unavailable()
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

/** Tells the service what fails in the background; a service that does not listen is told once, in a warning of Node's. */
function createReport(onFailure: VerifierOptions['onFailure']) {
  let warned = false
  return (part: VerifierFailure['part']) => (url: string, error: unknown) => {
    if (!onFailure) {
      if (!warned)
        process.emitWarning(`the verifier tries again after a failure: ${reasonOf(error)} (onFailure is told of each)`)
      warned = true
      return
    }
    try {
      onFailure({ part, url, error })
    } catch {
      // A fault in the service's own logging must not end the polling.
    }
  }
}
