/** Baidu smart programs: code to Session Key (swan-team/swan-docs, develop/api/open/log_Session-Key). Here the appid is the AppKey. */
import { parseObject } from './fetch-json.ts'
import { type Platform, PlatformError } from './platform.ts'
import { formHeaders, type PageParts, type Refusals, readIdentity, refused } from './reply.ts'
import { WHOLE_TIMEOUT_MS } from './time-budget.ts'

/** The names are OAuth's (RFC 6749 section 5.2), as Baidu's list has them; of the newer errno one is published. */
const refusals: Refusals = {
  invalid_grant: 'code_invalid',
  expired_token: 'code_invalid',
  invalid_client: 'misconfigured',
  unauthorized_client: 'misconfigured',
  invalid_request: 'misconfigured',
  unsupported_grant_type: 'misconfigured',
  10010100: 'misconfigured',
}

/** RFC 6749 section 5.2 puts its errors under these; Baidu does not say whether it does. */
const REFUSING_STATUSES = [200, 400, 401]

export function createBaidu({ send, apiBase = 'https://spapi.baidu.com' }: PageParts): Platform {
  const operation = 'baidu.sessionKey'
  return {
    name: 'baidu',
    async exchange({ appid, secret }, code) {
      const { status, text } = await send({
        operation,
        method: 'POST',
        url: `${apiBase}/oauth/jscode2sessionkey`,
        headers: formHeaders,
        body: new URLSearchParams({ code, client_id: appid, sk: secret }).toString(),
        timeoutMs: WHOLE_TIMEOUT_MS,
      })
      if (!REFUSING_STATUSES.includes(status)) throw new PlatformError(operation, 'status', { errcode: String(status) })
      const reply = parseObject(operation, text)
      if (Number(reply.errno ?? 0) !== 0) throw refused(operation, refusals, reply.errno)
      if (reply.error) throw refused(operation, refusals, reply.error)
      if (status !== 200) throw new PlatformError(operation, 'status', { errcode: String(status) })
      return readIdentity(operation, { openid: reply.openid, sessionKey: reply.session_key })
    },
  }
}
