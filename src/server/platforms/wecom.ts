/**
 * WeCom: a mini program linked to a company's own app. The app's token first, then code2Session, which names a member of a company
 * (developer.work.weixin.qq.com/document/path/91039 and /96959; codes /90455).
 */
import { fetchJson } from './fetch-json.ts'
import { type Platform, PlatformError } from './platform.ts'
import { CREDENTIAL_TIMEOUT_MS, createPlatformCredentials } from './platform-credential.ts'
import { boundedText, type PageParts, type Refusals, readIdentity, refused } from './reply.ts'
import { startTimeBudget } from './time-budget.ts'

const refusals: Refusals = {
  '-1': 'system_busy',
  40029: 'code_invalid',
  40014: 'credential_invalid',
  42001: 'credential_invalid',
  45009: 'rate_limited',
  45033: 'rate_limited',
  40001: 'misconfigured',
  40013: 'misconfigured',
  41001: 'misconfigured',
  41002: 'misconfigured',
  41004: 'misconfigured',
  48002: 'misconfigured',
  60020: 'misconfigured',
}

export function createWecom(parts: PageParts): Platform {
  const { send, apiBase = 'https://qyapi.weixin.qq.com' } = parts

  async function call(operation: string, path: string, query: Record<string, string>, timeoutMs: number) {
    const url = `${apiBase}${path}?${new URLSearchParams(query)}`
    const reply = await fetchJson(send, { operation, method: 'GET', url, timeoutMs })
    // Unlike WeChat's, a success carries errcode 0.
    if (reply.errcode === undefined) throw new PlatformError(operation, 'body', { note: 'no errcode' })
    if (Number(reply.errcode) !== 0) throw refused(operation, refusals, reply.errcode)
    return reply
  }

  const credentials = createPlatformCredentials({
    ...parts,
    platform: 'wecom',
    async fetchCredential({ corpid = '', secret }) {
      const operation = 'wecom.gettoken'
      const reply = await call(operation, '/cgi-bin/gettoken', { corpid, corpsecret: secret }, CREDENTIAL_TIMEOUT_MS)
      const text = boundedText(reply.access_token, 2048)
      const expiresInSeconds = Number(reply.expires_in)
      if (text === undefined || !(expiresInSeconds > 0)) {
        throw new PlatformError(operation, 'body', { note: 'no access_token or no expires_in' })
      }
      return { text, expiresInSeconds }
    },
  })

  return {
    name: 'wecom',
    async exchange(app, code) {
      const operation = 'wecom.code2Session'
      const time = startTimeBudget()
      return await credentials.use(
        app,
        async (credential) => {
          const query = { access_token: credential, js_code: code, grant_type: 'authorization_code' }
          const reply = await call(operation, '/cgi-bin/miniprogram/jscode2session', query, time.leftMs(operation))
          const openid = memberOf(operation, reply)
          // The program may be linked to several companies; this gateway serves the one it is configured for.
          if (reply.corpid !== app.corpid)
            throw new PlatformError(operation, 'refused', { refusal: 'identity_mismatch', errcode: 'corpid' })
          return readIdentity(operation, { openid, sessionKey: reply.session_key })
        },
        time,
      )
    },
  }
}

/** A userid is unique within its company alone; a corpid has no slash, so the two are never confused. */
function memberOf(operation: string, { corpid, userid }: Record<string, unknown>): string {
  const [company, member] = [boundedText(corpid, 63), boundedText(userid, 64)]
  if (company === undefined || company.includes('/')) throw new PlatformError(operation, 'body', { note: 'no corpid' })
  if (member === undefined) throw new PlatformError(operation, 'body', { note: 'no userid' })
  return `${company}/${member}`
}
