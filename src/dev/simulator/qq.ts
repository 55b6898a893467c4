/** QQ's code2Session: WeChat's forms, but a refusal carries every member, empty (as reported for -1009). */
import { type CreatePlatformPage, redeem } from './other-platforms.ts'

export const simulatedQq: CreatePlatformPage = (world) => {
  const refusal = (code: string) => ({ errcode: Number(code), errmsg: '', openid: '', session_key: '', unionid: '' })
  return {
    platform: 'qq',
    refusal,
    subjectOf: ({ openid }) => openid,
    sessionKeyOf: ({ sessionKey }) => sessionKey,
    routes: {
      'GET /sns/jscode2session': ({ query }) => {
        if (query.grant_type !== 'authorization_code') return refusal('40002')
        const member = redeem(world, { appid: query.appid, secret: query.secret, code: query.js_code })
        // What QQ answers to a wrong appid or secret is not published; this is a code it was seen with.
        if (typeof member === 'string') return refusal(member === 'code' ? '40029' : '-1009')
        const { openid, sessionKey, unionid = '' } = member
        return { errcode: 0, errmsg: '', openid, session_key: sessionKey, unionid }
      },
    },
  }
}
