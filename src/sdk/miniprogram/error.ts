/** The one error the mini-program SDK throws: a gateway or HTTP failure, or a condition of its own, always with a code to branch on. */
import type { GatewayCode } from './wire.ts'

/** Conditions that arise on the device; everything else is the gateway's code, or `HTTP_<status>` where a reply carries none. */
export type LocalCode =
  | 'NETWORK'
  | 'TIMEOUT'
  | 'BAD_REPLY'
  | 'LOGIN_FAILED'
  | 'LOGGED_OUT'
  | 'FUSE_OPEN'
  | 'FOREIGN_URL'
  | 'PHONE_REFUSED'
  | 'FILE'
  | 'NO_PLATFORM'

export type AuthErrorCode = Exclude<GatewayCode, '00000'> | LocalCode | `HTTP_${number}`

export type AuthErrorDetails = Partial<Omit<AuthError, 'name' | 'message' | 'stack' | 'cause' | 'code' | 'msg'>>

export class AuthError extends Error {
  declare readonly code: AuthErrorCode | (string & {})
  /** May be shown to the user. */
  declare readonly msg: string
  declare readonly statusCode: number | undefined
  /** What to quote when asking the gateway's operators. */
  declare readonly requestId: string | undefined
  /** Seconds to wait before trying again. */
  declare readonly retryAfter: number | undefined
  /** With A0400: which field is wrong, and why. */
  declare readonly fields: Record<string, string> | undefined
  /** True where the SDK has put things right and only the user's next tap is missing (a stale session_key, a spent phone code). */
  declare readonly tapAgain: boolean | undefined
  /** The reply's body, for business servers with errors of their own; or what the platform said. */
  declare readonly body: unknown

  constructor(code: string, msg: string, details: AuthErrorDetails = {}) {
    super(`${code} ${msg}`)
    Object.assign(this, details, { name: 'AuthError', code, msg })
  }
}

/** The same error with more to say, under a stack of its own. */
export const restate = (error: AuthError, details: AuthErrorDetails, msg = error.msg): AuthError =>
  new AuthError(error.code, msg, Object.assign({}, error, details))
