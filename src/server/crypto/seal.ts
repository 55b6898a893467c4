/** Seals secrets at rest: AES-256-GCM under a key of its purpose, derived from a named one, bound to what they belong to. */
import { createCipheriv, createDecipheriv, createSecretKey, hkdfSync, type KeyObject } from 'node:crypto'
import { randomBytes } from './random.ts'

export type EncryptionKey = { id: string; secret: Buffer }

export type Sealer = {
  /**
   * Returns `v2.<key id>.<base64url(iv + ciphertext + tag)>`. `context` must be given again to open; up to its first colon it is the
   * purpose: each has a key of its own, so that none comes near the 2^32 seals that random nonces allow (NIST SP 800-38D section 8.3).
   */
  seal(plaintext: string, context: string): string
  /** The plaintext; throws SealError when the key is unknown, or the text or its context was changed. */
  open(sealed: string, context: string): string
  /** A 32-byte key for one purpose from every encryption key, the sealing one first (RFC 5869). */
  derive(purpose: string): KeyObject[]
  /** The id of the key that seals now. */
  currentKeyId: string
}

export class SealError extends Error {
  readonly keyId: string | undefined
  constructor(message: string, keyId?: string) {
    super(message)
    this.name = 'SealError'
    this.keyId = keyId
  }
}

const IV_BYTES = 12
const TAG_BYTES = 16

/** The first key seals; all of them open. */
export function createSealer(keys: readonly EncryptionKey[]): Sealer {
  const [current] = keys
  if (!current) throw new SealError('at least one encryption key is needed')
  // Key objects, since a raw Buffer is examined anew at each use, which costs more than the sealing itself.
  const byId = new Map(keys.map((key) => [key.id, { secret: key.secret, whole: createSecretKey(key.secret) }]))
  const derived = new Map<string, KeyObject>()

  /** Version 1, from before there were purposes, was sealed under the whole key. */
  function keyOf(id: string, version: string, context: string): KeyObject | undefined {
    const known = byId.get(id)
    if (!known || version === 'v1') return known?.whole
    const purpose = context.split(':', 1)[0] ?? ''
    const name = `${id}:${purpose}`
    const key = derived.get(name) ?? hkdf(known.secret, `seal:${purpose}`)
    derived.set(name, key)
    return key
  }

  return {
    currentKeyId: current.id,
    seal(plaintext, context) {
      const iv = randomBytes(IV_BYTES)
      const key = keyOf(current.id, 'v2', context) as KeyObject
      const cipher = createCipheriv('aes-256-gcm', key, iv)
      cipher.setAAD(Buffer.from(context))
      const body = Buffer.concat([iv, cipher.update(plaintext, 'utf8'), cipher.final(), cipher.getAuthTag()])
      return `v2.${current.id}.${body.toString('base64url')}`
    },
    open(sealed, context) {
      const id = sealedWith(sealed)
      const secret = id === undefined ? undefined : keyOf(id, sealed.slice(0, 2), context)
      if (id === undefined) throw new SealError('not a sealed value')
      if (!secret) throw new SealError(`sealed under encryption key "${id}", which ENCRYPTION_KEYS does not hold`, id)
      const text = sealed.slice(sealed.lastIndexOf('.') + 1)
      const body = Buffer.from(text, 'base64url')
      // One value, one spelling: the spare bits of the last character are bound too.
      if (body.toString('base64url') !== text) throw new SealError('a sealed value was changed', id)
      if (body.length < IV_BYTES + TAG_BYTES) throw new SealError('a sealed value was truncated', id)
      const decipher = createDecipheriv('aes-256-gcm', secret, body.subarray(0, IV_BYTES), { authTagLength: TAG_BYTES })
      decipher.setAAD(Buffer.from(context))
      decipher.setAuthTag(body.subarray(-TAG_BYTES))
      try {
        return decipher.update(body.subarray(IV_BYTES, -TAG_BYTES), undefined, 'utf8') + decipher.final('utf8')
      } catch {
        throw new SealError(`a sealed value cannot be decrypted with encryption key "${id}"`, id)
      }
    },
    derive: (purpose) => keys.map((key) => hkdf(key.secret, purpose)),
  }
}

const hkdf = (secret: Buffer, purpose: string): KeyObject =>
  createSecretKey(Buffer.from(hkdfSync('sha256', secret, '', purpose, 32)))

/** Whether a value was sealed as it would be now: under this key, in the newest form. */
export const isSealedAsNow = (sealed: string, currentKeyId: string): boolean => sealed.startsWith(`v2.${currentKeyId}.`)

/** The id of the key a value is sealed under, or undefined when it is not a sealed value. */
export function sealedWith(sealed: string): string | undefined {
  return /^v[12]\.([A-Za-z0-9_-]{1,32})\.[A-Za-z0-9_-]+$/.exec(sealed)?.[1]
}
