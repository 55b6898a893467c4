/** What access tokens and security events have in common: form, type, key, signature, issuer, audience and time, in this order. */

import { compactVerify, errors } from 'jose'
import { VerifierError } from './error.ts'
import { type Claims, readForm } from './form.ts'
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

/** What a token must be: the types its header may name, and the claims that must be there. */
export type TokenKind = { name: string; types: readonly string[]; requiredClaims: readonly string[] }

export type SignedTokens = {
  /** The claims of a token of this kind; rejects with a {@link VerifierError}. */
  open(token: string | undefined, kind: TokenKind): Promise<Claims>
}

export function createSignedTokens(options: SignedTokensOptions): SignedTokens {
  const { issuer, audience, algorithms, clockToleranceSeconds, keys, now, clockError } = options

  function requireRegistered(claims: Claims, { requiredClaims }: TokenKind): void {
    for (const name of requiredClaims) if (claims[name] === undefined) throw missingClaim(name)
    if (claims.iss !== issuer) throw new VerifierError('issuer_mismatch', `the token is not of the issuer ${issuer}`)
    const named = Array.isArray(claims.aud) ? claims.aud : [claims.aud]
    if (!named.every((aud) => typeof aud === 'string') || !named.some((aud) => audience.includes(aud))) {
      const ours = audience.join(', ')
      throw new VerifierError('audience_mismatch', `the token is not for this service, whose audience is ${ours}`)
    }
    requireTimes(claims, now(), clockToleranceSeconds, clockError)
  }

  return {
    async open(token, kind) {
      if (!token) throw new VerifierError('token_missing', 'there is no token')
      const claims = readForm(token)
      await verifySignature(token, kind, keys, algorithms)
      requireRegistered(claims, kind)
      return claims
    },
  }
}

/** Also for status lists, which the same keys sign. Rejects with a {@link VerifierError}. */
export async function verifySignature(
  token: string,
  { name, types }: Omit<TokenKind, 'requiredClaims'>,
  keys: KeySet,
  algorithms: readonly string[],
): Promise<void> {
  try {
    await compactVerify(
      token,
      (header) => {
        // RFC 8725 section 3.11: what the gateway signs for another purpose is not taken for this, though key, issuer and
        // signature be right. RFC 7515 section 4.1.9: `application/` may be left out, case does not count.
        const typ = typeof header.typ === 'string' ? header.typ.toLowerCase().replace(/^application\//, '') : ''
        if (!types.includes(typ)) throw new VerifierError('type_mismatch', `this is not ${name}`)
        return keys.find(header)
      },
      { algorithms: [...algorithms] },
    )
  } catch (error) {
    if (error instanceof VerifierError) throw error
    if (error instanceof errors.JWSSignatureVerificationFailed) {
      throw new VerifierError('signature_invalid', 'invalid signature')
    }
    if (error instanceof errors.JOSEAlgNotAllowed) {
      throw new VerifierError('algorithm_refused', 'the algorithm is not allowed')
    }
    throw new VerifierError('token_malformed', 'this is not a signed JWT')
  }
}

/** NumericDates (RFC 7519 section 2) may have fractions; now is in whole seconds. */
export function requireTimes(
  claims: Claims,
  now: Date,
  toleranceSeconds: number,
  clockError: () => string | undefined = () => undefined,
): void {
  const { iat = 0, nbf = Number.NEGATIVE_INFINITY, exp = Number.POSITIVE_INFINITY } = claims
  if (typeof iat !== 'number') throw invalidClaim('iat')
  if (typeof nbf !== 'number') throw invalidClaim('nbf')
  if (typeof exp !== 'number') throw invalidClaim('exp')
  const nowSeconds = Math.floor(now.getTime() / 1000)
  const because = () => (clockError() === undefined ? '' : `, but ${clockError()}`)
  if (nbf > nowSeconds + toleranceSeconds) {
    throw new VerifierError('token_not_yet_valid', `the token is not valid yet${because()}`)
  }
  if (exp <= nowSeconds - toleranceSeconds) {
    throw new VerifierError('token_expired', `the token has expired${because()}`)
  }
}

export const missingClaim = (name: string): VerifierError =>
  new VerifierError('claim_missing', `the token has no "${name}"`)

export const invalidClaim = (name: string): VerifierError =>
  new VerifierError('claim_invalid', `claim "${name}" is invalid`)
