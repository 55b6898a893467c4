/** WeCom: gettoken gives the same token for as long as it lives; code2Session names company and member, with errcode 0. */
import { type CreatePlatformPage, redeemCode } from './other-platforms.ts'
import { randomAlphanumerics } from './wechat-crypto.ts'

export const SIMULATED_CORPID = 'ww0000000000000001'
const TOKEN_SECONDS = 7200

/** The Secret chooses the app, since every app of a company has one of its own. */
export const simulatedWecom =
  (secrets: Readonly<Record<string, string>>): CreatePlatformPage =>
  ({ people, clock }) => {
    const tokens = new Map<string, { text: string; expiresAt: number }>()
    const now = () => clock.now().getTime()
    const refusal = (code: string) => ({ errcode: Number(code), errmsg: 'refused, more info at work.weixin.qq.com' })

    return {
      platform: 'wecom',
      refusal,
      subjectOf: ({ openid }) => `${SIMULATED_CORPID}/${openid}`,
      sessionKeyOf: ({ sessionKey }) => sessionKey,
      endTokens: () => tokens.clear(),
      routes: {
        'GET /cgi-bin/gettoken': ({ query: { corpid, corpsecret = '' } }) => {
          if (corpid !== SIMULATED_CORPID) return refusal('40013')
          const appid = secrets[corpsecret]
          if (appid === undefined) return refusal('40001')
          const known = tokens.get(appid)
          const token =
            known && known.expiresAt > now()
              ? known
              : { text: randomAlphanumerics(64), expiresAt: now() + TOKEN_SECONDS * 1000 }
          tokens.set(appid, token)
          const left = Math.floor((token.expiresAt - now()) / 1000)
          return { errcode: 0, errmsg: 'ok', access_token: token.text, expires_in: left }
        },
        'GET /cgi-bin/miniprogram/jscode2session': ({ query }) => {
          const [appid, token] = [...tokens].find(([, { text }]) => text === query.access_token) ?? []
          if (appid === undefined || token === undefined) return refusal('40014')
          if (token.expiresAt <= now()) return refusal('42001')
          const member = redeemCode(people, appid, query.js_code)
          if (typeof member === 'string') return refusal('40029')
          const session = { corpid: SIMULATED_CORPID, userid: member.openid, session_key: member.sessionKey }
          return { ...session, errcode: 0, errmsg: 'ok' }
        },
      },
    }
  }
