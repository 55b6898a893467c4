/** What WeChat's client signs and encrypts, done the same way, so that the gateway opens data it did not make itself. */
import { createCipheriv, createHash, createHmac, randomBytes } from 'node:crypto'

// session_key has three byte forms (developers.weixin.qq.com, "signature and encryption of open data"):
// appended as base64 text (sha1), used as base64 text (HMAC), decoded to 16 bytes (AES).

/** `signature` of wx.getUserInfo: hex sha1 of the exact rawData followed by the session_key text. */
export function signRawData(rawData: string, sessionKey: string): string {
  return createHash('sha1')
    .update(rawData + sessionKey)
    .digest('hex')
}

/** Login-state signature of checkSessionKey and its relatives: hex HMAC-SHA256, for a GET over the empty string. */
export function signLoginState(body: string, sessionKey: string): string {
  return createHmac('sha256', sessionKey).update(body).digest('hex')
}

export type EncryptedData = { encryptedData: string; iv: string }

/** `encryptedData` and `iv` (both base64): AES-128-CBC with PKCS#7 padding. The iv is random unless given. */
export function encryptOpenData(
  plaintext: string,
  sessionKey: string,
  iv = randomBytes(16).toString('base64'),
): EncryptedData {
  const cipher = createCipheriv('aes-128-cbc', Buffer.from(sessionKey, 'base64'), Buffer.from(iv, 'base64'))
  return { encryptedData: Buffer.concat([cipher.update(plaintext, 'utf8'), cipher.final()]).toString('base64'), iv }
}

export function newSessionKey(): string {
  return randomBytes(16).toString('base64')
}

/** A stable 28-character id such as an openid or unionid: the same names give the same id, also after a restart. */
export function stableId(kind: 'openid' | 'unionid', realm: string, person: string): string {
  const digest = createHash('sha256')
    .update(JSON.stringify([kind, realm, person]))
    .digest('base64url')
  return `o${digest.slice(0, 27)}`
}

const ALPHANUMERICS = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'

export function randomAlphanumerics(length: number): string {
  let text = ''
  for (const byte of randomBytes(length)) text += ALPHANUMERICS[byte % ALPHANUMERICS.length]
  return text
}

/** The signature of a push: SHA-1 in hex of the sorted, joined texts (miniprogram/dev/framework/server-ability/message-push). */
export const signPush = (...texts: string[]): string =>
  createHash('sha1').update(texts.toSorted().join('')).digest('hex')

/** `Encrypt` of a push: 16 random bytes, the length, the message, the appid; padded to blocks of 32 bytes. */
export function encryptPush(
  message: string,
  { encodingAesKey, appid, random = randomBytes(16) }: { encodingAesKey: string; appid: string; random?: Uint8Array },
): string {
  const key = Buffer.from(`${encodingAesKey}=`, 'base64')
  const text = Buffer.from(message)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(text.length)
  const plain = Buffer.concat([random, length, text, Buffer.from(appid)])
  const count = 32 - (plain.length % 32)
  const cipher = createCipheriv('aes-256-cbc', key, key.subarray(0, 16)).setAutoPadding(false)
  return Buffer.concat([cipher.update(Buffer.concat([plain, Buffer.alloc(count, count)])), cipher.final()]).toString(
    'base64',
  )
}
