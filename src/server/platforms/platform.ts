/** What the gateway asks of a platform (WeChat and the others), and the typed ways in which an upstream call fails. */
import { type AppConfig, type PlatformName, wechatOauthNames } from '../config/config.ts'
import { type ErrorCode, GatewayError } from '../errors.ts'

/** What a login code was exchanged for. `sessionKey` never leaves the gateway. */
export type Exchange = {
  openid: string
  unionid?: string | undefined
  sessionKey?: string
  /** What the platform itself tells of the person, in the form of wx.getUserInfo's plain object. */
  userinfo?: unknown
}

/** A browser that is to bring a code; `silent`: without asking the person, where that is possible. */
export type AuthorizeRequest = { redirectUri: string; state: string; silent: boolean }

export type Platform = {
  name: PlatformName
  /** Exchanges a login code; throws PlatformError. */
  exchange(app: AppConfig, code: string): Promise<Exchange>
  /** What it does for the users of an app beyond login, where it does any of it. */
  userApi?: (app: AppConfig) => UserApi
  /** Where a browser is sent for a code, where the platform has a page for that. */
  authorizeUrl?: (app: AppConfig, request: AuthorizeRequest) => string
  /** The picture that opens a page of the app with a scene of at most 32 characters. */
  pictureOf?: (app: AppConfig, scene: string, page: string) => Promise<Uint8Array<ArrayBuffer>>
  /** Its credential for an app, for services to call it with. */
  lendCredential?: (
    app: AppConfig,
    refused?: string,
  ) => Promise<{ text: string; expiresInSeconds: number; renewed: boolean }>
}

/** What a platform does for a user it knows; each may lack some or all of it. Every one throws PlatformError. */
export type UserApi = {
  /** The number behind the phone button's code, E.164; costs money. The openid binds the code to its person. */
  phoneNumber?: (code: string, openid: string) => Promise<string>
  /** What the platform thinks of texts of a profile. */
  checkText?: (openid: string, texts: readonly string[]) => Promise<'pass' | 'review' | 'risky'>
  /** Whether this is still the person's one valid session_key. */
  checkSessionKey?: (openid: string, sessionKey: string) => Promise<boolean>
  /** Ends the session_key at once and answers its successor. */
  resetSessionKey?: (openid: string, sessionKey: string) => Promise<string>
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
  /** The code or openid belongs to somebody else, or to another app. */
  | 'identity_mismatch'
  /** The platform acts only for people who were there in the last hours. */
  | 'user_inactive'
  /** The page is open in WeChat's snapshot mode, which names nobody. */
  | 'snapshot_user'
  | 'system_busy'
  | 'unknown'

const refusalCodes: Record<Refusal, ErrorCode> = {
  code_invalid: 'A0223',
  user_blocked: 'A0321',
  rate_limited: 'C0401',
  quota_exhausted: 'C0401',
  misconfigured: 'C0001',
  credential_invalid: 'C0001',
  session_key_invalid: 'A0240',
  content_risky: 'A0430',
  identity_mismatch: 'A0312',
  // Its remedy is the same: wx.login makes the person active, then they try again.
  user_inactive: 'A0240',
  snapshot_user: 'A0322',
  system_busy: 'C0001',
  unknown: 'C0001',
}

const failureCodes = { unreachable: 'C0001', timeout: 'C0200', status: 'C0001', body: 'C0001', busy: 'B0210' } as const

/** How a call to any platform may fail, for the descriptions of routes that make one. */
export const platformFailures = ['C0401', 'C0001', 'C0200'] as const satisfies ErrorCode[]

const retryAfterSeconds: Partial<Record<ErrorCode, number>> = { C0401: 60, B0210: 1 }

/** Refusals that only an operator can mend. */
const operatorsMend: ReadonlySet<Refusal> = new Set(['misconfigured', 'quota_exhausted', 'unknown'])
const CONFIGURATION_REFUSED = 'the platform refuses our configuration or quota'

/**
 * A failed upstream call, with what the caller is told of it. Its message, for the log, holds the operation and the platform's error
 * code, never a parameter or a reply.
 */
export class PlatformError extends GatewayError {
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
    const code = failure === 'refused' ? refusalCodes[parts.refusal ?? 'unknown'] : failureCodes[failure]
    const errcode = parts.errcode === undefined ? '' : ` ${parts.errcode}`
    const wait = retryAfterSeconds[code]
    const note = `${operation}: ${failure}${errcode}${parts.note ? ` (${parts.note})` : ''}`
    super(code, {
      note,
      alert: parts.refusal && operatorsMend.has(parts.refusal) ? `${CONFIGURATION_REFUSED}: ${note}` : undefined,
      ...(wait === undefined ? {} : { retryAfterSeconds: wait }),
    })
    this.name = 'PlatformError'
    this.failure = failure
    this.refusal = parts.refusal
    this.errcode = parts.errcode
    this.operation = operation
  }
}

/** Platforms that give no session_key, so that nothing can be opened or signed with one. */
const withoutSessionKey: ReadonlySet<string> = new Set(['alipay', ...wechatOauthNames])
export const givesSessionKey = (platform: string): boolean => !withoutSessionKey.has(platform)

/** The identity triple by which a platform knows a person. */
export type PlatformIdentity = { platform: string; appid: string; openid: string }
