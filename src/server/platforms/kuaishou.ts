/** Kuaishou mini programs: code2Session, where success is `result: 1` (mp.kuaishou.com/docs/develop/server/code2Session.html, read through public SDKs). */
import { fetchJson } from './fetch-json.ts'
import { type Platform, PlatformError } from './platform.ts'
import { formHeaders, type PageParts, type Refusals, readIdentity, refused } from './reply.ts'
import { WHOLE_TIMEOUT_MS } from './time-budget.ts'

const SUCCESS = 1

/** Of the open platform's list for all of OAuth (a copy: apifox.com/apidoc/project-462993/doc-355272). */
const refusals: Refusals = {
  100200100: 'misconfigured',
  100200101: 'misconfigured',
  100200104: 'misconfigured',
  100200105: 'code_invalid',
  invalid_grant: 'code_invalid',
  invalid_code: 'code_invalid',
  invalid_client: 'misconfigured',
  unauthorized_client: 'misconfigured',
  100200500: 'system_busy',
}

export function createKuaishou({ send, apiBase = 'https://open.kuaishou.com' }: PageParts): Platform {
  const operation = 'kuaishou.code2Session'
  return {
    name: 'kuaishou',
    async exchange({ appid, secret }, code) {
      const reply = await fetchJson(send, {
        operation,
        method: 'POST',
        url: `${apiBase}/oauth2/mp/code2session`,
        headers: formHeaders,
        body: new URLSearchParams({ app_id: appid, app_secret: secret, js_code: code }).toString(),
        timeoutMs: WHOLE_TIMEOUT_MS,
      })
      // OAuth's own form of a refusal (RFC 6749 section 5.2) comes without `result`.
      const result = reply.result ?? reply.error_code ?? reply.error
      if (result === undefined) throw new PlatformError(operation, 'body', { note: 'no result' })
      if (Number(reply.result) !== SUCCESS) throw refused(operation, refusals, result)
      return readIdentity(operation, { openid: reply.open_id, sessionKey: reply.session_key, unionid: reply.union_id })
    },
  }
}
