/** Signed and encrypted user data of the WeChat family: checked and opened with the session_key, which stays inside. */
import { createDecipheriv, createHash, createHmac, timingSafeEqual } from 'node:crypto'

/** Why open data was not accepted. */
export class OpenDataError extends Error {
  readonly reason: 'signature' | 'undecipherable' | 'watermark_appid' | 'watermark_age'
  constructor(reason: OpenDataError['reason']) {
    super(`open data refused: ${reason}`)
    this.name = 'OpenDataError'
    this.reason = reason
  }
}

/** sha1(rawData + session_key), the base64 text of it (developers.weixin.qq.com, framework/open-ability/signature). */
export function checkSignature(rawData: string, signature: string, sessionKey: string): void {
  const expected = createHash('sha1')
    .update(rawData + sessionKey, 'utf8')
    .digest()
  if (!/^[0-9a-fA-F]{40}$/.test(signature) || !timingSafeEqual(Buffer.from(signature, 'hex'), expected))
    throw new OpenDataError('signature')
}

/** hex HMAC-SHA256 under the base64 text of session_key: the login-state signature of checkSessionKey. */
export const signWithSessionKey = (body: string, sessionKey: string): string =>
  createHmac('sha256', sessionKey).update(body, 'utf8').digest('hex')

/**
 * The object in a text of WeChat's whose signature or decryption is right: names of people come with control characters as they are
 * and with half an emoji, and that is no reason to refuse the rest. Undefined when it is none.
 */
export function readLeniently(text: string): Record<string, unknown> | undefined {
  const parse = (json: string): unknown => {
    try {
      return JSON.parse(json)
    } catch {
      return undefined
    }
  }
  // Outside of texts these are blanks as any other; inside, JSON (RFC 8259 section 7) does not allow them.
  const value = parse(text) ?? parse(text.replaceAll(/\p{Cc}/gu, ' '))
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined
}

const base64Pattern = /^[A-Za-z0-9+/]+={0,2}$/

export type Encrypted = { encryptedData: string; iv: string }

/**
 * AES-CBC with PKCS#7 under the decoded session_key (16 bytes; one other platform uses 24), then the watermark:
 * our appid, and not older than `maxAgeSeconds`. Answers the plaintext object.
 */
export function openEncryptedData(
  { encryptedData, iv }: Encrypted,
  { sessionKey, appid, now, maxAgeSeconds }: { sessionKey: string; appid: string; now: Date; maxAgeSeconds: number },
): Record<string, unknown> {
  const value = decrypt(encryptedData, iv, sessionKey)
  const watermark = value.watermark
  const stamp = typeof watermark === 'object' && watermark !== null ? (watermark as Record<string, unknown>) : {}
  if (stamp.appid !== appid) throw new OpenDataError('watermark_appid')
  const ageSeconds = now.getTime() / 1000 - Number(stamp.timestamp)
  // A minute of tolerance for a platform clock ahead of ours. NaN fails both comparisons, so it is refused too.
  if (!(ageSeconds <= maxAgeSeconds && ageSeconds >= -60)) throw new OpenDataError('watermark_age')
  return value
}

function decrypt(encryptedData: string, iv: string, sessionKey: string): Record<string, unknown> {
  // A "+" that became a space on the way is refused, not guessed at.
  if (!base64Pattern.test(encryptedData) || !base64Pattern.test(iv)) throw new OpenDataError('undecipherable')
  const key = Buffer.from(sessionKey, 'base64')
  const vector = Buffer.from(iv, 'base64')
  if (![16, 24, 32].includes(key.length) || vector.length !== 16) throw new OpenDataError('undecipherable')
  try {
    const decipher = createDecipheriv(`aes-${key.length * 8}-cbc`, key, vector)
    const plaintext = Buffer.concat([decipher.update(encryptedData, 'base64'), decipher.final()])
    const value = readLeniently(plaintext.toString('utf8'))
    if (value !== undefined) return value
  } catch {
    // Bad padding and broken JSON look the same from outside, on purpose.
  }
  throw new OpenDataError('undecipherable')
}
