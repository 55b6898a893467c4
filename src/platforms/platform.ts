/** What the gateway asks of a platform (WeChat and its sisters), and the typed ways in which an upstream call fails. */
import type { AppConfig, PlatformName } from '../config.ts'

/** What a login code was exchanged for. `sessionKey` never leaves the gateway. */
export type Exchange = { openid: string; unionid?: string; sessionKey?: string }

export type Platform = {
  name: PlatformName
  /** Exchanges a login code; throws PlatformError. */
  exchange(app: AppConfig, code: string): Promise<Exchange>
}

/**
 * unreachable: no connection, or it broke. timeout: no answer in time. status, body: an answer that is not the platform's
 * normal form. refused: the platform said no, with its own code. busy: shed before it was sent.
 */
export type PlatformFailure = 'unreachable' | 'timeout' | 'status' | 'body' | 'refused' | 'busy'

/** Why the platform refused, whatever it calls it. */
export type Refusal =
  | 'code_invalid'
  | 'user_blocked'
  | 'rate_limited'
  | 'quota_exhausted'
  | 'misconfigured'
  | 'credential_invalid'
  | 'session_key_invalid'
  | 'content_risky'
  | 'system_busy'
  | 'unknown'

/** A failed upstream call. Its message holds the operation and the platform's error code, never a parameter or a reply. */
export class PlatformError extends Error {
  readonly failure: PlatformFailure
  readonly refusal: Refusal | undefined
  /** The platform's own error code, as text. */
  readonly errcode: string | undefined
  readonly operation: string

  constructor(
    operation: string,
    failure: PlatformFailure,
    parts: { refusal?: Refusal; errcode?: string; note?: string } = {},
  ) {
    super(
      `${operation}: ${failure}${parts.errcode === undefined ? '' : ` ${parts.errcode}`}${parts.note ? ` (${parts.note})` : ''}`,
    )
    this.name = 'PlatformError'
    this.failure = failure
    this.refusal = parts.refusal
    this.errcode = parts.errcode
    this.operation = operation
  }
}

/** The identity triple by which a platform knows a person. */
export type PlatformIdentity = { platform: string; appid: string; openid: string }
