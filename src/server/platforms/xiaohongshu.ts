/**
 * Xiaohongshu mini programs: an app token first, then the session (miniapp.xiaohongshu.com/doc/DC414670 and DC010382). Those pages
 * were read through public notes only; docs/platforms.md says what is not confirmed.
 */
import { fetchJson } from './fetch-json.ts'
import { type Platform, PlatformError } from './platform.ts'
import { CREDENTIAL_TIMEOUT_MS, createPlatformCredentials } from './platform-credential.ts'
import { boundedText, jsonHeaders, objectIn, type PageParts, type Refusals, readIdentity, refused } from './reply.ts'
import { startTimeBudget } from './time-budget.ts'

/** No list could be read; these were answered by the platform's staff in its public issue tracker (redengineer/redmini). */
const refusals: Refusals = {
  410101: 'credential_invalid',
  410103: 'code_invalid',
  410004: 'code_invalid',
  410002: 'misconfigured',
}

export function createXiaohongshu(parts: PageParts): Platform {
  const { send, apiBase = 'https://miniapp.xiaohongshu.com' } = parts

  const credentials = createPlatformCredentials({
    ...parts,
    platform: 'xiaohongshu',
    // A new token shortens the old one's life to five minutes, so only one replica may ask: that is what the credential is for.
    async fetchCredential({ appid, secret }) {
      const operation = 'xiaohongshu.token'
      const reply = await fetchJson(send, {
        operation,
        method: 'POST',
        url: `${apiBase}/api/rmp/token`,
        headers: jsonHeaders,
        body: JSON.stringify({ appid, secret }),
        timeoutMs: CREDENTIAL_TIMEOUT_MS,
      })
      const data = readData(operation, reply)
      const text = boundedText(data.access_token, 2048)
      // The platform spells it `expire_in`.
      const expiresInSeconds = Number(data.expire_in ?? data.expires_in)
      if (text === undefined || !(expiresInSeconds > 0)) {
        throw new PlatformError(operation, 'body', { note: 'no access_token or no expire_in' })
      }
      return { text, expiresInSeconds }
    },
  })

  return {
    name: 'xiaohongshu',
    async exchange(app, code) {
      const operation = 'xiaohongshu.session'
      const time = startTimeBudget()
      return await credentials.use(
        app,
        async (credential) => {
          // The pages differ here too, and callers were seen with either (redengineer/redmini#1494): what is not asked for is not read.
          const query = new URLSearchParams({ app_id: app.appid, appid: app.appid, access_token: credential, code })
          const url = `${apiBase}/api/rmp/session?${query}`
          const reply = await fetchJson(send, { operation, method: 'GET', url, timeoutMs: time.leftMs(operation) })
          const data = readData(operation, reply)
          // One official page says openid, another open_id.
          return readIdentity(operation, { openid: data.openid ?? data.open_id, sessionKey: data.session_key })
        },
        time,
      )
    },
  }
}

/** `success` and `code` have to agree; the gateway in front of the API names its errors otherwise. */
function readData(operation: string, reply: Record<string, unknown>): Record<string, unknown> {
  const { success, code, error_code: errorCode, data } = reply
  if (success === undefined) throw new PlatformError(operation, 'body', { note: 'no success' })
  if (success !== true || Number(code ?? 0) !== 0) throw refused(operation, refusals, code ?? errorCode)
  return objectIn(operation, data, 'data')
}
