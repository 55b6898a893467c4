/** Alipay's gateway: checks the app's signature, and signs what it answers over the characters it sends. */
import { createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto'
import { type CreatePlatformPage, type PlatformAnswer, redeemCode } from './other-platforms.ts'
import { randomAlphanumerics } from './wechat-crypto.ts'

const RESPONSE = 'alipay_system_oauth_token_response'

/** A key pair in the two forms that an operator pastes. */
export function newRsaKeys(): { privateKey: string; publicKey: string } {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  return {
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    publicKey: publicKey.export({ type: 'spki', format: 'der' }).toString('base64'),
  }
}

/** The app's `secret` is its private key, of which Alipay knows the public half. `platformKey` signs the answers. */
export const simulatedAlipay =
  ({ platformKey, idName = 'open_id' }: { platformKey: string; idName?: 'open_id' | 'user_id' }): CreatePlatformPage =>
  ({ people, clock }) => {
    const publicKeys = new Map<string, KeyObject>()
    const refusal = (code: string) => {
      const error = { code: '40002', msg: 'Invalid Arguments', sub_code: code, sub_msg: 'refused' }
      return signed('error_response', error, platformKey)
    }

    function publicKeyOf(appid: string, privateKey: string): KeyObject {
      const known = publicKeys.get(appid)
      if (known) return known
      const made = createPublicKey(privateKey)
      publicKeys.set(appid, made)
      return made
    }

    return {
      platform: 'alipay',
      refusal,
      subjectOf: ({ openid }) => openid,
      sessionKeyOf: () => undefined,
      routes: {
        'POST /gateway.do': ({ query, form }) => {
          const parameters: Partial<Record<string, string>> = { ...query, ...form }
          const app = people.findApp(parameters.app_id ?? '')
          // These come before Alipay knows whose key to use, and so without a signature.
          if (!app) return unsigned('isv.invalid-app-id')
          if (!isSigned(parameters, publicKeyOf(app.appid, app.secret))) return unsigned('isv.invalid-signature')
          const beijing = new Date(clock.now().getTime() + 8 * 3600_000).toISOString()
          const isNow = parameters.timestamp?.slice(0, 16) === beijing.slice(0, 16).replace('T', ' ')
          if (!isNow) return unsigned('isv.invalid-timestamp')
          if (parameters.grant_type !== 'authorization_code') return refusal('isv.grant-type-invalid')
          const member = redeemCode(people, app.appid, parameters.code)
          if (typeof member === 'string') return refusal('isv.code-invalid')
          const tokens = { access_token: randomAlphanumerics(40), refresh_token: randomAlphanumerics(40) }
          const user = { ...tokens, expires_in: 300, re_expires_in: 360, auth_start: '2026-01-01 08:00:00' }
          return signed(RESPONSE, { ...user, [idName]: member.openid }, platformKey)
        },
      },
    }
  }

/** The reply, with spaces and an escaped slash in the signed part, which parsing and printing would lose. */
export function signed(name: string, value: Record<string, unknown>, privateKey: string): PlatformAnswer {
  const raw = JSON.stringify({ note: 'a/b', ...value }, undefined, 1).replaceAll('/', '\\/')
  const signature = sign('sha256', Buffer.from(raw), privateKey).toString('base64')
  return `{"${name}": ${raw} ,"sign":"${signature}"}`
}

function unsigned(code: string): PlatformAnswer {
  return { error_response: { code: '40002', msg: 'Invalid Arguments', sub_code: code, sub_msg: 'refused' } }
}

function isSigned({ sign: signature = '', ...parameters }: Partial<Record<string, string>>, key: KeyObject): boolean {
  const text = Object.entries(parameters)
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([name, value]) => `${name}=${value}`)
    .join('&')
  return verify('sha256', Buffer.from(text), key, Buffer.from(signature, 'base64'))
}
