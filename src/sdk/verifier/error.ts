/** The verifier's refusals: a closed set of codes, so that a service can branch on the reason and a test can name it. */

const STATUS_BY_CODE = {
  token_missing: 401,
  token_malformed: 401,
  token_expired: 401,
  token_not_yet_valid: 401,
  signature_invalid: 401,
  algorithm_refused: 401,
  key_unknown: 401,
  type_mismatch: 401,
  issuer_mismatch: 401,
  audience_mismatch: 401,
  claim_missing: 401,
  claim_invalid: 401,
  session_ended: 401,
  role_missing: 403,
  // Not the caller's fault: a client that is told 401 logs its user out, so an outage must never look like one.
  keys_unavailable: 503,
  status_unavailable: 503,
} as const

export type VerifierErrorCode = keyof typeof STATUS_BY_CODE

/**
 * Why a token was not accepted. `code` is stable, `status` the HTTP status that fits. Neither the message nor the
 * cause holds any part of the token, so the whole error may be logged.
 */
export class VerifierError extends Error {
  override readonly name = 'VerifierError'
  readonly code: VerifierErrorCode
  readonly status: 401 | 403 | 503

  constructor(code: VerifierErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
    this.status = STATUS_BY_CODE[code]
  }
}
