/** The closed list of ways a request can fail: code, HTTP status and the words a user may read. */

export type Words = { zh: string; en: string }

type ErrorText = Words & {
  status: 400 | 401 | 403 | 404 | 409 | 412 | 413 | 415 | 429 | 500 | 502 | 503 | 504
}

/** Families of the Alibaba Java manual: A the caller, B this system, C a third party. */
export const errorCodes = {
  A0400: {
    status: 400,
    zh: '请求参数有误，请检查后重试',
    en: 'The request has invalid fields; correct them and retry.',
  },
  A0427: { status: 400, zh: '请求体不是有效的 JSON', en: 'The request body is not valid JSON.' },
  A0340: {
    status: 400,
    zh: '数据校验未通过，请重新登录后再试',
    en: 'The signature, watermark or encrypted data does not fit this login; call wx.login first, then fetch the data again.',
  },
  A0430: {
    status: 400,
    zh: '内容含有不合规信息，请修改后再试',
    en: 'The content was refused by the platform; change it.',
  },
  A0223: {
    status: 401,
    zh: '登录凭证无效或已使用，请重新登录',
    en: 'The login code was refused; call wx.login again.',
  },
  A0230: {
    status: 401,
    zh: '登录已过期，请重新登录',
    en: 'The token is missing, malformed, expired or revoked; log in.',
  },
  A0220: {
    status: 401,
    zh: '登录状态异常，请重新登录',
    en: 'The refresh token was replayed; its session has ended. Log in.',
  },
  A0202: { status: 403, zh: '账号已被停用，请联系客服', en: 'This account is suspended.' },
  A0203: { status: 403, zh: '账号已注销', en: 'This account has been erased.' },
  A0321: { status: 403, zh: '账号存在风险，平台已限制登录', en: 'The platform blocks this user.' },
  A0322: {
    status: 403,
    zh: '当前为快照页浏览模式，请点击页面底部的“使用完整服务”后再登录',
    en: 'The page is open in WeChat\'s snapshot mode, which names nobody: ask the user to tap "use the full service", then log in again.',
  },
  A0312: { status: 403, zh: '没有权限执行此操作', en: 'Not allowed.' },
  A0404: { status: 404, zh: '请求的内容不存在', en: 'Not found.' },
  A0506: {
    status: 409,
    zh: '登录正在处理中，请稍后重试',
    en: 'This login code is being exchanged right now; retry with the same code in a second.',
  },
  A0240: {
    status: 409,
    zh: '会话密钥已失效，请重新登录后再点一次',
    en: 'The session_key is gone or stale; call wx.login, then ask the user to tap again.',
  },
  A0505: {
    status: 412,
    zh: '资料已被修改，请刷新后重试',
    en: 'The profile changed meanwhile; read it again and retry.',
  },
  A0413: { status: 413, zh: '请求内容过大', en: 'The request body is too large.' },
  A0415: { status: 415, zh: '不支持的内容类型', en: 'Unsupported Content-Type.' },
  A0501: { status: 429, zh: '操作过于频繁，请稍后再试', en: 'Too many requests; wait for Retry-After seconds.' },
  C0401: { status: 429, zh: '平台繁忙，请稍后再试', en: 'The platform limits the rate; wait for Retry-After seconds.' },
  B0001: { status: 500, zh: '系统异常，请稍后再试', en: 'Internal error; quote the request_id.' },
  B0210: { status: 503, zh: '系统繁忙，请稍后再试', en: 'Overloaded; wait for Retry-After seconds.' },
  B0320: { status: 503, zh: '服务暂不可用，请稍后再试', en: 'A store is unavailable; wait for Retry-After seconds.' },
  C0001: { status: 502, zh: '平台服务异常，请稍后再试', en: 'The platform failed; retry later.' },
  C0200: { status: 504, zh: '平台响应超时，请稍后再试', en: 'The platform did not answer in time; retry later.' },
} as const satisfies Record<string, ErrorText>

export type ErrorCode = keyof typeof errorCodes

export type ErrorParts = {
  /** Which fields are wrong and why, shown to the caller (A0400). */
  fields?: Record<string, string>
  retryAfterSeconds?: number
  /** What the caller is told instead of the code's own words: still public. */
  words?: Words
  /** What the log says and the caller never sees. */
  cause?: unknown
  /** A short private note for the log. */
  note?: string
  /** What an operator must mend, whatever the caller is told: the log line becomes an alert with these words. */
  alert?: string | undefined
}

/** A failure the contract names. What is public is the code; what is private stays in `cause` and `note`. */
export class GatewayError extends Error {
  readonly code: ErrorCode
  readonly fields: Record<string, string> | undefined
  readonly retryAfterSeconds: number | undefined
  readonly words: Words
  readonly alert: string | undefined

  constructor(code: ErrorCode, parts: ErrorParts = {}) {
    super(parts.note ?? errorCodes[code].en, { cause: parts.cause })
    this.name = 'GatewayError'
    this.code = code
    this.fields = parts.fields
    this.retryAfterSeconds = parts.retryAfterSeconds
    this.words = parts.words ?? errorCodes[code]
    this.alert = parts.alert
  }
}

export const invalidField = (name: string, reason: string) => new GatewayError('A0400', { fields: { [name]: reason } })
