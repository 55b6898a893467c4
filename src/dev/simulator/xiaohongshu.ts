/** Xiaohongshu: an app token (a new one leaves the old one five minutes), then the session with a 24-byte key. */
import { createHash } from 'node:crypto'
import { type CreatePlatformPage, redeemCode } from './other-platforms.ts'
import { randomAlphanumerics } from './wechat-crypto.ts'

const TOKEN_SECONDS = 7200
const OVERLAP_SECONDS = 300

const aes192Key = (sessionKey: string): string =>
  createHash('sha256').update(sessionKey).digest().subarray(0, 24).toString('base64')

export const simulatedXiaohongshu: CreatePlatformPage = ({ people, clock }) => {
  const tokens = new Map<string, { appid: string; expiresAt: number }>()
  const now = () => clock.now().getTime()
  const refusal = (code: string) => ({ data: null, success: false, msg: 'refused', code: Number(code) })
  const success = (data: Record<string, unknown>) => ({ data, success: true, msg: 'success', code: 0 })

  return {
    platform: 'xiaohongshu',
    refusal,
    subjectOf: ({ openid }) => openid,
    sessionKeyOf: ({ sessionKey }) => aes192Key(sessionKey),
    endTokens: () => tokens.clear(),
    routes: {
      'POST /api/rmp/token': ({ json }) => {
        const app = people.findApp(String(json.appid))
        // What it answers to a wrong secret is not published: 410002, "the app is not valid", was seen.
        if (!app || json.secret !== app.secret) return refusal('410002')
        for (const token of tokens.values()) {
          if (token.appid === app.appid) token.expiresAt = Math.min(token.expiresAt, now() + OVERLAP_SECONDS * 1000)
        }
        const text = randomAlphanumerics(32)
        tokens.set(text, { appid: app.appid, expiresAt: now() + TOKEN_SECONDS * 1000 })
        return success({ access_token: text, expire_in: TOKEN_SECONDS })
      },
      'GET /api/rmp/session': ({ query }) => {
        const token = tokens.get(query.access_token ?? '')
        if (!token || token.appid !== query.app_id || token.expiresAt <= now()) return refusal('410101')
        const member = redeemCode(people, token.appid, query.code)
        if (typeof member === 'string') return refusal('410103')
        return success({ openid: member.openid, session_key: aes192Key(member.sessionKey) })
      },
    },
  }
}
