/** Refresh tokens: session id, counter and a MAC. Nothing about them is stored, and a forged one costs no database call. */
import { createHmac, type KeyObject, timingSafeEqual } from 'node:crypto'
import type { Sealer } from '../crypto/seal.ts'

const PREFIX = 'r1.'
const SID_BYTES = 16
const BODY_BYTES = SID_BYTES + 4
const MAC_BYTES = 32
/** 52 bytes as base64url without padding. */
const TEXT_LENGTH = PREFIX.length + Math.ceil(((BODY_BYTES + MAC_BYTES) * 8) / 6)

export type RefreshTokenContent = { sid: string; counter: number }

export type RefreshTokens = {
  /** The same session and counter always give the same token: that is what lets a lost reply be repeated. */
  mint(content: RefreshTokenContent): string
  /** The content, or undefined when the token was not issued by this gateway. */
  read(token: string): RefreshTokenContent | undefined
}

export function createRefreshTokens({ sealer }: { sealer: Sealer }): RefreshTokens {
  const keys = sealer.derive('refresh-token')
  const [mintingKey] = keys
  if (!mintingKey) throw new Error('no key for refresh tokens')

  return {
    mint({ sid, counter }) {
      const body = Buffer.alloc(BODY_BYTES)
      body.write(sid.replaceAll('-', ''), 'hex')
      body.writeUInt32BE(counter, SID_BYTES)
      return PREFIX + Buffer.concat([body, mac(mintingKey, body)]).toString('base64url')
    },
    read(token) {
      if (token.length !== TEXT_LENGTH || !token.startsWith(PREFIX)) return undefined
      const text = token.slice(PREFIX.length)
      const bytes = Buffer.from(text, 'base64url')
      // One token, one spelling: the spare bits of the last character are bound too.
      if (bytes.length !== BODY_BYTES + MAC_BYTES || bytes.toString('base64url') !== text) return undefined
      const body = bytes.subarray(0, BODY_BYTES)
      const given = bytes.subarray(BODY_BYTES)
      if (!keys.some((key) => timingSafeEqual(mac(key, body), given))) return undefined
      const hex = body.toString('hex', 0, SID_BYTES)
      const sid = `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
      return { sid, counter: body.readUInt32BE(SID_BYTES) }
    },
  }
}

const mac = (key: KeyObject, body: Buffer): Buffer => createHmac('sha256', key).update(body).digest()
