/** What access tokens and security events have in common: form, type, key, signature, issuer, audience and time, in this order. */

import { errors, type JWTPayload, jwtVerify } from 'jose'
import { VerifierError } from './error.ts'
import { requireForm } from './form.ts'
import type { KeySet } from './keys.ts'

export type SignedTokensOptions = {
  issuer: string
  audience: readonly string[]
  algorithms: readonly string[]
  clockToleranceSeconds: number
  keys: KeySet
  now(): Date
  /** How far this host's clock is ahead of the gateway's, where that is more than a tolerance could cover. */
  clockError(): string | undefined
}

/** What a token must be: the types its header may name, and the claims that must be there beside `iss` and `aud`. */
export type TokenKind = { name: string; types: readonly string[]; requiredClaims: readonly string[] }

export type SignedTokens = {
  /** The claims of a token of this kind; rejects with a {@link VerifierError}. */
  open(token: string | undefined, kind: TokenKind): Promise<JWTPayload>
}

export function createSignedTokens(options: SignedTokensOptions): SignedTokens {
  const { issuer, audience, algorithms, clockToleranceSeconds, keys, now, clockError } = options
  const checks = { issuer, audience: [...audience], algorithms: [...algorithms], clockTolerance: clockToleranceSeconds }

  return {
    async open(token, kind) {
      if (!token) throw new VerifierError('token_missing', 'there is no token')
      requireForm(token)
      try {
        const { payload } = await jwtVerify(
          token,
          (header) => {
            requireType(header.typ, kind)
            return keys.find(header)
          },
          { ...checks, requiredClaims: [...kind.requiredClaims], currentDate: now() },
        )
        if (Array.isArray(payload.aud) && !payload.aud.every((aud) => typeof aud === 'string')) throw otherAudience()
        return payload
      } catch (error) {
        throw error instanceof VerifierError ? error : refusalFor(error)
      }
    },
  }

  function otherAudience(): VerifierError {
    return new VerifierError(
      'audience_mismatch',
      `the token is not for this service, whose audience is ${audience.join(', ')}`,
    )
  }

  /** jose's error without jose's error: that one carries the whole payload, which does not belong in a log. */
  function refusalFor(error: unknown): VerifierError {
    const clock = clockError()
    const because = clock === undefined ? '' : `, but ${clock}`
    if (error instanceof errors.JWTExpired) return new VerifierError('token_expired', `the token has expired${because}`)
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
    if (reason === 'missing') return missingClaim(claim)
    if (claim === 'iss') return new VerifierError('issuer_mismatch', `the token is not of the issuer ${issuer}`)
    if (claim === 'aud') return otherAudience()
    if (claim === 'nbf' && reason === 'check_failed') {
      return new VerifierError('token_not_yet_valid', `the token is not valid yet${because}`)
    }
    return invalidClaim(claim)
  }
}

/**
 * RFC 8725 section 3.11: what the gateway signs for another purpose is not taken for this, though key, issuer and
 * signature be right. RFC 7515 section 4.1.9: `application/` may be left out, case does not count.
 */
function requireType(typ: unknown, { name, types }: TokenKind): void {
  const written = typeof typ === 'string' ? typ.toLowerCase().replace(/^application\//, '') : ''
  if (!types.includes(written)) throw new VerifierError('type_mismatch', `this is not ${name}`)
}

export const missingClaim = (name: string): VerifierError =>
  new VerifierError('claim_missing', `the token has no "${name}"`)

export const invalidClaim = (name: string): VerifierError =>
  new VerifierError('claim_invalid', `the token's "${name}" is not what it should be`)
