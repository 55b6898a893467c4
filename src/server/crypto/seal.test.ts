/** Sealing at rest: what was sealed opens, and nothing else does. */
import { createCipheriv, createDecipheriv, type KeyObject } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createSealer, type EncryptionKey, isSealedAsNow, SealError, type Sealer, sealedWith } from './seal.ts'

const key = (id: string, byte: number): EncryptionKey => ({ id, secret: Buffer.alloc(32, byte) })
const sealer = createSealer([key('k1', 1)])
const text = fc.string({ unit: 'grapheme', maxLength: 300 })

test('what was sealed opens under the same context', () => {
  fc.assert(
    fc.property(text, text, (plaintext, context) => {
      expect(sealer.open(sealer.seal(plaintext, context), context)).toBe(plaintext)
    }),
  )
})

test('the same text sealed twice looks different, and neither shows it', () => {
  const plaintext = 'tiihtNczf5v6AKRyjwEUhQ=='
  const [one, other] = [sealer.seal(plaintext, 'c'), sealer.seal(plaintext, 'c')]
  expect(one).not.toBe(other)
  expect(Buffer.from(one.slice(6), 'base64url').includes(plaintext)).toBe(false)
})

test('any changed character of a sealed text is refused', () => {
  const alphabet = fc.constantFrom(...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.+/= ')
  fc.assert(
    fc.property(text, fc.nat(), alphabet, (plaintext, at, character) => {
      const sealed = sealer.seal(plaintext, 'c')
      const index = at % sealed.length
      fc.pre(sealed[index] !== character)
      expect(() => sealer.open(sealed.slice(0, index) + character + sealed.slice(index + 1), 'c')).toThrow(SealError)
    }),
    { numRuns: 2000 },
  )
})

test('every bit of the sealed bytes is bound, and so is their length', () => {
  const sealed = sealer.seal('session_key', 'c')
  const bytes = Buffer.from(sealed.slice('v2.k1.'.length), 'base64url')
  const again = (changed: Buffer) => () => sealer.open(`v2.k1.${changed.toString('base64url')}`, 'c')
  for (let bit = 0; bit < bytes.length * 8; bit += 1) {
    const changed = Buffer.from(bytes)
    changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
    expect(again(changed)).toThrow(SealError)
  }
  for (let length = 0; length < bytes.length; length += 1) expect(again(bytes.subarray(0, length))).toThrow(SealError)
  expect(again(Buffer.concat([bytes, Buffer.alloc(1)]))).toThrow(SealError)
})

test('no other context opens it', () => {
  fc.assert(
    fc.property(text, text, text, (plaintext, context, other) => {
      fc.pre(context !== other)
      expect(() => sealer.open(sealer.seal(plaintext, context), other)).toThrow(SealError)
    }),
  )
})

test.each(['', 'v1', 'v2.k1.', 'v2.k1.AAAA', 'v3.k1.AAAA', 'plain text', 'v1.k1.AAAA', `v1.${'k'.repeat(33)}.AAAA`])(
  'what was never sealed is refused: "%s"',
  (value) => {
    expect(() => sealer.open(value, 'c')).toThrow(SealError)
  },
)

test('a sealed value has one spelling: with anything before or after it, it neither opens nor names a key', () => {
  const sealed = sealer.seal('secret', 'c')
  for (const spelling of [`x${sealed}`, ` ${sealed}`, `${sealed}=`, `${sealed}\n`, `${sealed} `]) {
    expect(() => sealer.open(spelling, 'c')).toThrow(SealError)
    expect(sealedWith(spelling)).toBeUndefined()
  }
  expect(sealedWith(sealed)).toBe('k1')
})

test('what was never sealed is told from what is sealed under a key that is gone', () => {
  for (const value of ['', 'plain text', 'v3.k1.AAAA'])
    expect(() => sealer.open(value, 'c')).toThrow(/^not a sealed value$/)
})

test('what is stored now opens in every later version', () => {
  const stored = 'v2.k1.8wFCOm-07ye7w3PuDs4qu-p7fhI6SAqWpkSBiN6Nq7QKJik7BFY9upfx2ItIJ3A4zsEQPGz5x-8'
  expect(sealer.open(stored, 'session-key:wechat:wx1:o1')).toBe('钥 tiihtNczf5v6AKRyjwEUhQ==')
  expect(sealer.derive('refresh-token')[0]?.export().toString('hex')).toBe(
    '559b3c1f3364a2d01f11083591e2e43eadc82ee43ba31daab05df9f140bfe453',
  )
})

describe('rolling the encryption key', () => {
  const rolled = createSealer([key('k2', 2), key('k1', 1)])

  test('old values open under the new list, and new values carry the new key', () => {
    expect(rolled.open(sealer.seal('old', 'c'), 'c')).toBe('old')
    expect(sealedWith(rolled.seal('new', 'c'))).toBe('k2')
    expect(rolled.currentKeyId).toBe('k2')
  })

  test('once the old key is taken away, its values say which key they need', () => {
    const without = createSealer([key('k2', 2)])
    expect(() => without.open(sealer.seal('old', 'c'), 'c')).toThrow(/"k1".*ENCRYPTION_KEYS/)
  })

  test('the right id over the wrong secret does not open', () => {
    expect(() => createSealer([key('k1', 9)]).open(sealer.seal('old', 'c'), 'c')).toThrow(SealError)
  })

  test('derived keys follow the list, and differ by purpose and from their source', () => {
    const derived = (from: Sealer, purpose: string) => from.derive(purpose).map((each) => each.export().toString('hex'))
    const [first, second] = derived(rolled, 'refresh-token')
    expect(second).toBe(derived(sealer, 'refresh-token')[0])
    expect(first).not.toBe(derived(rolled, 'other')[0])
    expect(first).not.toBe(key('k2', 2).secret.toString('hex'))
  })
})

test('what was sealed before there were purposes still opens, under its context alone', () => {
  const iv = Buffer.alloc(12, 5)
  const cipher = createCipheriv('aes-256-gcm', key('k1', 1).secret, iv)
  cipher.setAAD(Buffer.from('session-key:wechat:a:b'))
  const body = Buffer.concat([iv, cipher.update('old', 'utf8'), cipher.final(), cipher.getAuthTag()])
  const sealed = `v1.k1.${body.toString('base64url')}`
  expect(sealer.open(sealed, 'session-key:wechat:a:b')).toBe('old')
  expect(() => sealer.open(sealed, 'session-key:wechat:a:c')).toThrow(SealError)
  expect(isSealedAsNow(sealed, 'k1')).toBe(false)
})

test('each purpose has a key of its own: the same bytes under another purpose, or under the whole key, do not open', () => {
  const sealed = sealer.seal('secret', 'ticket:1')
  expect(isSealedAsNow(sealed, 'k1')).toBe(true)
  expect(() => sealer.open(sealed.replace('v2.', 'v1.'), 'ticket:1')).toThrow(SealError)
  // The context is bound twice, so what proves the key is the cipher itself, without it.
  const openWith = (secret: KeyObject) => {
    const bytes = Buffer.from(sealed.slice('v2.k1.'.length), 'base64url')
    const decipher = createDecipheriv('aes-256-gcm', secret, bytes.subarray(0, 12))
    decipher.setAAD(Buffer.from('ticket:1')).setAuthTag(bytes.subarray(-16))
    return decipher.update(bytes.subarray(12, -16), undefined, 'utf8') + decipher.final('utf8')
  }
  const [ticketKey] = sealer.derive('seal:ticket') as [KeyObject]
  const [otherKey] = sealer.derive('seal:session-key') as [KeyObject]
  expect(openWith(ticketKey)).toBe('secret')
  expect(() => openWith(otherKey)).toThrow()
})

test('a refusal never shows the text', () => {
  const other = createSealer([key('k1', 9)])
  try {
    other.open(sealer.seal('very-secret', 'c'), 'c')
  } catch (error) {
    expect(String(error)).not.toContain('very-secret')
  }
  expect.assertions(1)
})

test('a sealer without a key cannot be made', () => {
  expect(() => createSealer([])).toThrow(SealError)
})
