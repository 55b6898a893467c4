/**
 * The envelope of WeChat's message push in secure mode: signature, AES-256-CBC, and the appid at its end
 * (miniprogram/dev/framework/server-ability/message-push; doc/oplatform/developers/dev/push/encryption).
 */

import { isUtf8 } from 'node:buffer'
import { createDecipheriv, createHash, timingSafeEqual } from 'node:crypto'

/** SHA-1 in hex of the texts, sorted and joined. */
export const signatureOf = (...texts: string[]): string =>
  createHash('sha1').update(texts.sort().join('')).digest('hex')

/** In constant time, whatever the lengths. */
export function isSignature(given: string | undefined, ...texts: string[]): boolean {
  return timingSafeEqual(sha256(given ?? ''), sha256(signatureOf(...texts)))
}
const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest()

/** What the key of `EncodingAESKey` is: it lacks the padding of its base64. */
export const keyOf = (encodingAesKey: string): Buffer => Buffer.from(`${encodingAesKey}=`, 'base64')

export type Opened = { message: string } | 'undecipherable' | 'other_app'

/** PKCS#7 to blocks of 32 bytes, twice the cipher's own: so its automatic padding is off. */
const PADDING_BLOCK = 32
const RANDOM_BYTES = 16
const LENGTH_BYTES = 4

/** The message inside `Encrypt`. To be called once its signature is known to be good. */
export function openMessage(encodingAesKey: string, encrypted: string, appid: string): Opened {
  const key = keyOf(encodingAesKey)
  const bytes = Buffer.from(encrypted, 'base64')
  if (bytes.length === 0 || bytes.length % 16 !== 0) return 'undecipherable'
  const decipher = createDecipheriv('aes-256-cbc', key, key.subarray(0, 16)).setAutoPadding(false)
  const plain = withoutPadding(Buffer.concat([decipher.update(bytes), decipher.final()]))
  const start = RANDOM_BYTES + LENGTH_BYTES
  if (!plain || plain.length < start) return 'undecipherable'
  const end = start + plain.readUInt32BE(RANDOM_BYTES)
  if (end > plain.length) return 'undecipherable'
  // Signed with our Token, and yet made for another app.
  if (plain.toString('utf8', end) !== appid) return 'other_app'
  const message = plain.subarray(start, end)
  return isUtf8(message) ? { message: message.toString('utf8') } : 'undecipherable'
}

function withoutPadding(bytes: Buffer): Buffer | undefined {
  const count = bytes.at(-1) ?? 0
  if (count < 1 || count > PADDING_BLOCK || count > bytes.length) return undefined
  const padding = bytes.subarray(-count)
  return padding.every((byte) => byte === count) ? bytes.subarray(0, -count) : undefined
}
