/** What WeChat does for a user it knows: phone number, text check, and the check and reset of a session_key. */
import type { AppConfig } from '../config/config.ts'
import { fetchJson, type Send } from './fetch-json.ts'
import { signWithSessionKey } from './open-data.ts'
import { readPhoneInfo } from './phone-info.ts'
import { PlatformError, type UserApi } from './platform.ts'
import type { PlatformCredentials } from './platform-credential.ts'
import { startTimeBudget } from './time-budget.ts'
import { throwIfRefused } from './wechat.ts'

/** With the wait for a credential all of a call stays within the five seconds that a client is promised. */
const WHOLE_TIMEOUT_MS = 4500
const CALL_TIMEOUT_MS = 2000

/** msgSecCheck's scene of a profile; the others are comments, posts and logs. */
const SCENE_PROFILE = 1

type Call = { operation: string; path: string; query?: Record<string, string>; body?: object }

export type WechatApiParts = { send: Send; apiBase: string; credentials: PlatformCredentials }

export function createWechatApi({ send, apiBase, credentials }: WechatApiParts) {
  async function call(app: AppConfig, { operation, path, query, body }: Call): Promise<Record<string, unknown>> {
    const time = startTimeBudget(WHOLE_TIMEOUT_MS)
    const callWith = async (credential: string) => {
      const reply = await fetchJson(send, {
        operation,
        method: body === undefined ? 'GET' : 'POST',
        // WeChat takes the credential in the URL only; errors name the operation, never the URL.
        url: `${apiBase}${path}?${new URLSearchParams({ access_token: credential, ...query })}`,
        ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
        timeoutMs: Math.min(CALL_TIMEOUT_MS, time.leftMs(operation)),
      })
      throwIfRefused(operation, reply)
      return reply
    }
    return await credentials.use(app, callWith, time)
  }

  /** The login-state signature of a GET: over the empty string (api_checksessionkey). */
  const proof = (openid: string, sessionKey: string) => ({
    openid,
    signature: signWithSessionKey('', sessionKey),
    sig_method: 'hmac_sha256',
  })

  return (app: AppConfig) =>
    ({
      async phoneNumber(code, openid) {
        const operation = 'getPhoneNumber'
        // With the openid WeChat refuses a code that another person's button gave (api_getphonenumber).
        const reply = await call(app, { operation, path: '/wxa/business/getuserphonenumber', body: { code, openid } })
        const phone = readPhoneInfo(reply.phone_info)
        if (phone === undefined) throw new PlatformError(operation, 'body', { note: 'no phone_info' })
        return phone
      },

      async checkText(openid, texts) {
        const operation = 'msgSecCheck'
        const body = { version: 2, scene: SCENE_PROFILE, openid, content: texts.join('\n') }
        const { result } = await call(app, { operation, path: '/wxa/msg_sec_check', body })
        const suggest =
          typeof result === 'object' && result !== null && 'suggest' in result ? result.suggest : undefined
        if (suggest === 'pass' || suggest === 'review' || suggest === 'risky') return suggest
        throw new PlatformError(operation, 'body', { note: 'no result' })
      },

      async checkSessionKey(openid, sessionKey) {
        try {
          const query = proof(openid, sessionKey)
          await call(app, { operation: 'checkSessionKey', path: '/wxa/checksession', query })
          return true
        } catch (error) {
          if (error instanceof PlatformError && error.refusal === 'session_key_invalid') return false
          throw error
        }
      },

      async resetSessionKey(openid, sessionKey) {
        const operation = 'resetUserSessionKey'
        const query = proof(openid, sessionKey)
        const { session_key: renewed } = await call(app, { operation, path: '/wxa/resetusersessionkey', query })
        if (typeof renewed !== 'string' || renewed === '' || renewed.length > 512)
          throw new PlatformError(operation, 'body', { note: 'no session_key' })
        return renewed
      },
    }) satisfies UserApi
}
