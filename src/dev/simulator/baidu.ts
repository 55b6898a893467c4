/** Baidu's Session Key: a form in, OAuth's names for errors; the key is 32 characters that decode to the 24 bytes of AES-192. */
import { createHash } from 'node:crypto'
import { type CreatePlatformPage, redeem } from './other-platforms.ts'

const ERRORS = { appid: 'invalid_client', secret: 'invalid_client', code: 'invalid_grant' }

const baiduKey = (sessionKey: string): string => createHash('sha256').update(sessionKey).digest('hex').slice(0, 32)

export const simulatedBaidu: CreatePlatformPage = (world) => {
  const refusal = (code: string) =>
    /^\d+$/.test(code)
      ? { errno: Number(code), error: 'parameter is invalid', error_description: 'refused' }
      : { error: code, error_description: 'refused' }
  return {
    platform: 'baidu',
    refusal,
    subjectOf: ({ openid }) => openid,
    sessionKeyOf: ({ sessionKey }) => baiduKey(sessionKey),
    routes: {
      'POST /oauth/jscode2sessionkey': ({ form }) => {
        if (!form.client_id || !form.sk || !form.code) return refusal('10010100')
        const member = redeem(world, { appid: form.client_id, secret: form.sk, code: form.code })
        if (typeof member === 'string') return refusal(ERRORS[member])
        return { openid: member.openid, session_key: baiduKey(member.sessionKey) }
      },
    },
  }
}
