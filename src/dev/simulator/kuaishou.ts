/** Kuaishou's code2Session: a form in, `result: 1` for success. */
import { type CreatePlatformPage, redeem } from './other-platforms.ts'

const ERRORS = { appid: '100200101', secret: '100200101', code: '100200105' }

export const simulatedKuaishou: CreatePlatformPage = (world) => {
  const refusal = (code: string) => ({ result: Number(code), error: 'refused', error_msg: 'refused' })
  return {
    platform: 'kuaishou',
    refusal,
    subjectOf: ({ openid }) => openid,
    sessionKeyOf: ({ sessionKey }) => sessionKey,
    routes: {
      'POST /oauth2/mp/code2session': ({ form }) => {
        if (!form.app_id || !form.app_secret || !form.js_code) return refusal('100200100')
        const member = redeem(world, { appid: form.app_id, secret: form.app_secret, code: form.js_code })
        if (typeof member === 'string') return refusal(ERRORS[member])
        return { result: 1, open_id: member.openid, session_key: member.sessionKey }
      },
    },
  }
}
