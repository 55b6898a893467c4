/** WeChat mini programs: code2Session. Needs appid and AppSecret only, never a platform credential. */
import type { AppConfig } from '../config/config.ts'
import { fetchJson, type Send } from './fetch-json.ts'
import { type Exchange, type Platform, PlatformError, type Refusal, type UserApi } from './platform.ts'
import { startTimeBudget, type TimeBudget } from './time-budget.ts'

/** A retry on "system busy" is made only while it can still end in time. */
const RETRY_WITHIN_MS = 1000

/** https://developers.weixin.qq.com/miniprogram/dev/server/API/user-login/api_code2session and the shared error list. */
const refusals: Record<string, Refusal> = {
  '-1': 'system_busy',
  40029: 'code_invalid',
  40163: 'code_invalid',
  40226: 'user_blocked',
  50002: 'user_blocked',
  45011: 'rate_limited',
  45009: 'quota_exhausted',
  40001: 'credential_invalid',
  40014: 'credential_invalid',
  42001: 'credential_invalid',
  87009: 'session_key_invalid',
  87014: 'content_risky',
  40003: 'identity_mismatch',
  43104: 'identity_mismatch',
  61010: 'user_inactive',
  40002: 'misconfigured',
  40013: 'misconfigured',
  40125: 'misconfigured',
  40243: 'misconfigured',
  40164: 'misconfigured',
  41002: 'misconfigured',
  41004: 'misconfigured',
  41008: 'misconfigured',
  45035: 'misconfigured',
  48001: 'misconfigured',
  61004: 'misconfigured',
}

/** The literal code that developer tools give without a real appid. */
export const MOCK_CODE = 'the code is a mock one'

export function createWechat({
  send,
  apiBase,
  userApi,
}: {
  send: Send
  apiBase: string
  userApi: (app: AppConfig) => UserApi
}): Platform {
  async function code2Session(app: AppConfig, code: string, time: TimeBudget): Promise<Exchange> {
    const [appid, secret, jsCode] = [app.appid, app.secret, code].map(encodeURIComponent)
    const operation = 'code2Session'
    const reply = await fetchJson(send, {
      operation,
      method: 'GET',
      url: `${apiBase}/sns/jscode2session?appid=${appid}&secret=${secret}&js_code=${jsCode}&grant_type=authorization_code`,
      timeoutMs: time.leftMs(operation),
    })
    throwIfRefused(operation, reply)
    return readExchange(operation, reply)
  }

  return {
    name: 'wechat',
    userApi,
    async exchange(app, code) {
      if (code === MOCK_CODE)
        throw new PlatformError('code2Session', 'refused', { refusal: 'code_invalid', errcode: 'mock' })
      const time = startTimeBudget()
      return await retryWhenBusy(time, () => code2Session(app, code, time))
    },
  }
}

/** "System busy": once more, at once. Whether the code was spent is unknown; if so, the answer is a clean refusal. */
export async function retryWhenBusy<T>(time: TimeBudget, call: () => Promise<T>): Promise<T> {
  try {
    return await call()
  } catch (error) {
    const busy = error instanceof PlatformError && error.refusal === 'system_busy'
    if (!busy || time.spentMs() > RETRY_WITHIN_MS) throw error
    return await call()
  }
}

/** Throws when the reply carries a non-zero errcode; a success has none. It may be a number or, in one sample, a string. */
export function throwIfRefused(operation: string, reply: Record<string, unknown>): void {
  const { errcode } = reply
  if (errcode === undefined || errcode === null || Number(errcode) === 0) return
  const text = /^-?\d{1,9}$/.test(String(errcode)) ? String(errcode) : 'odd'
  const note = forOperators(reply.errmsg)
  throw new PlatformError(operation, 'refused', {
    refusal: refusals[text] ?? 'unknown',
    errcode: text,
    ...(note && { note }),
  })
}

/** What an operator needs of WeChat's words and nothing else of them: the address that is not on the list (40164), and the id to quote. */
function forOperators(errmsg: unknown): string | undefined {
  const words = String(errmsg ?? '')
  const [, address] = /invalid ip ([0-9a-f.:]{2,45})/i.exec(words) ?? []
  const [, id] = /\b(?:rid|req_id): ?([\w-]{6,64})/.exec(words) ?? []
  return [address && `from ${address}`, id && `rid ${id}`].filter(Boolean).join(', ') || undefined
}

/** 28 characters in practice; the form is not documented, so it is bounded and not pinned. */
const idPattern = /^[\x21-\x7e]{1,128}$/

/** Success is a non-empty openid and session_key, whatever else is there. */
function readExchange(operation: string, reply: Record<string, unknown>): Exchange {
  const { openid, session_key: sessionKey, unionid } = reply
  if (typeof openid !== 'string' || !idPattern.test(openid))
    throw new PlatformError(operation, 'body', { note: 'no openid' })
  if (typeof sessionKey !== 'string' || sessionKey === '' || sessionKey.length > 512) {
    throw new PlatformError(operation, 'body', { note: 'no session_key' })
  }
  const union = typeof unionid === 'string' && idPattern.test(unionid) ? { unionid } : {}
  return { openid, sessionKey, ...union }
}
