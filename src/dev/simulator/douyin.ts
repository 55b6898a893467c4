/** Douyin's code2Session, version 2: JSON in, err_no always there, absent values are empty texts. */
import { type CreatePlatformPage, redeem } from './other-platforms.ts'
import { signLoginState } from './wechat-crypto.ts'

const ERRORS = { appid: '40015', secret: '40017', code: '40018' }
const TIPS: Record<string, string> = { 40015: 'bad appid', 40017: 'bad secret', 40018: 'bad code' }

export const simulatedDouyin: CreatePlatformPage = (world) => {
  const empty = { session_key: '', openid: '', anonymous_openid: '', unionid: '', dopenid: '' }
  const refusal = (code: string) => ({ err_no: Number(code), err_tips: TIPS[code] ?? 'error', data: empty })
  return {
    platform: 'douyin',
    refusal,
    subjectOf: ({ openid }) => openid,
    sessionKeyOf: ({ sessionKey }) => sessionKey,
    // The user-state signature of payments and game data: hex HMAC-SHA256 of the exact JSON text, as WeChat's.
    isSigned: ({ sessionKey }, text, signature) => signLoginState(text, sessionKey) === signature,
    routes: {
      'POST /api/apps/v2/jscode2session': ({ json: { appid, secret, code } }) => {
        if (!appid || !secret || !code) return refusal('40014')
        const member = redeem(world, { appid, secret, code })
        if (typeof member === 'string') return refusal(ERRORS[member])
        const { openid, sessionKey, unionid = '' } = member
        return { err_no: 0, err_tips: 'success', data: { ...empty, openid, session_key: sessionKey, unionid } }
      },
    },
  }
}
