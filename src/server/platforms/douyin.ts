/** Douyin mini programs: code2Session, version 2 (developer.open-douyin.com, mini-app/develop/server/basic-abilities/log-in/code-2-session). */
import { fetchJson } from './fetch-json.ts'
import { type Platform, PlatformError } from './platform.ts'
import { jsonHeaders, objectIn, type PageParts, type Refusals, readIdentity, refused } from './reply.ts'
import { WHOLE_TIMEOUT_MS } from './time-budget.ts'

const refusals: Refusals = {
  '-1': 'system_busy',
  40014: 'misconfigured',
  40015: 'misconfigured',
  40017: 'misconfigured',
  40018: 'code_invalid',
}

export function createDouyin({ send, apiBase = 'https://developer.toutiao.com' }: PageParts): Platform {
  const operation = 'douyin.code2Session'
  return {
    name: 'douyin',
    async exchange({ appid, secret }, loginCode) {
      // anonymous_code is never sent: what it gives names a device, not a person.
      const reply = await fetchJson(send, {
        operation,
        method: 'POST',
        url: `${apiBase}/api/apps/v2/jscode2session`,
        headers: jsonHeaders,
        body: JSON.stringify({ appid, secret, code: loginCode }),
        timeoutMs: WHOLE_TIMEOUT_MS,
      })
      // Version 1 of the API, and gateways before it, name the code otherwise, and put it beside or into `data`.
      const inside =
        typeof reply.data === 'object' && reply.data !== null ? (reply.data as Record<string, unknown>) : {}
      const code = reply.err_no ?? reply.errcode ?? reply.error_code ?? inside.error_code ?? reply.error
      if (code === undefined) throw new PlatformError(operation, 'body', { note: 'no err_no' })
      if (Number(code) !== 0) throw refused(operation, refusals, code)
      const data = objectIn(operation, reply.data, 'data')
      if (data.openid === '' && data.anonymous_openid) {
        throw new PlatformError(operation, 'refused', { refusal: 'code_invalid', errcode: 'anonymous' })
      }
      return readIdentity(operation, { openid: data.openid, sessionKey: data.session_key, unionid: data.unionid })
    },
  }
}
