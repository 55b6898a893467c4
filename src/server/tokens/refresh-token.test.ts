/** The form of a refresh token: made here or nothing, one spelling, readable under older keys. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createSealer } from '../crypto/seal.ts'
import { createRefreshTokens } from './refresh-token.ts'

const key = (id: string, byte: number) => ({ id, secret: Buffer.alloc(32, byte) })
const tokens = createRefreshTokens({ sealer: createSealer([key('k1', 1)]) })
const content = fc.record({ sid: fc.uuid(), counter: fc.integer({ min: 0, max: 2 ** 32 - 1 }) })
const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

test('a token gives back its session and counter, and is the same each time it is made', () => {
  fc.assert(
    fc.property(content, (made) => {
      expect(tokens.read(tokens.mint(made))).toEqual(made)
      expect(tokens.mint(made)).toBe(tokens.mint(made))
    }),
  )
})

test('a different session or counter is a different token', () => {
  fc.assert(
    fc.property(content, content, (one, other) => {
      fc.pre(one.sid !== other.sid || one.counter !== other.counter)
      expect(tokens.mint(one)).not.toBe(tokens.mint(other))
    }),
  )
})

test('a token with any character replaced by any other is refused', () => {
  const token = tokens.mint({ sid: '0198c0de-0000-7000-8000-000000000001', counter: 5 })
  for (let at = 0; at < token.length; at += 1) {
    for (const character of `${alphabet}+/=. \0é`) {
      if (token[at] === character) continue
      expect(tokens.read(token.slice(0, at) + character + token.slice(at + 1))).toBeUndefined()
    }
  }
})

test('a token that is cut, lengthened or spelled otherwise is refused', () => {
  fc.assert(
    fc.property(content, fc.nat(80), fc.string({ minLength: 1 }), (made, length, more) => {
      const token = tokens.mint(made)
      if (length < token.length) expect(tokens.read(token.slice(0, length))).toBeUndefined()
      expect(tokens.read(token + more)).toBeUndefined()
      expect(tokens.read(more + token)).toBeUndefined()
    }),
  )
  const token = tokens.mint({ sid: '0198c0de-0000-7000-8000-000000000001', counter: 5 })
  for (const spelling of [`${token}=`, ` ${token}`, `${token}\n`, token.toUpperCase(), token.replace('r1.', 'r2.')])
    expect(tokens.read(spelling)).toBeUndefined()
})

test('text that nobody made is refused', () => {
  fc.assert(fc.property(fc.string({ maxLength: 100 }), (text) => tokens.read(text) === undefined))
  const body = fc.uint8Array({ minLength: 52, maxLength: 52 })
  fc.assert(fc.property(body, (bytes) => tokens.read(`r1.${Buffer.from(bytes).toString('base64url')}`) === undefined))
})

test('a token of an older encryption key is read until that key is taken away, and new ones are made under the first', () => {
  const old = tokens.mint({ sid: '0198c0de-0000-7000-8000-000000000001', counter: 5 })
  const rolled = createRefreshTokens({ sealer: createSealer([key('k2', 2), key('k1', 1)]) })
  const after = createRefreshTokens({ sealer: createSealer([key('k2', 2)]) })
  const fresh = rolled.mint({ sid: '0198c0de-0000-7000-8000-000000000001', counter: 6 })
  expect(rolled.read(old)?.counter).toBe(5)
  expect(after.read(old)).toBeUndefined()
  expect(after.read(fresh)?.counter).toBe(6)
  expect(tokens.read(fresh)).toBeUndefined()
})

test('a token that is out there now is read by every later version', () => {
  const issued = 'r1.AZjA3gAAcACAAAAAAAAAAQAAAAXsWtvxNqXoN_qkH9Dne2S1kDKr1-DWZnKjd3O848nRRQ'
  expect(tokens.read(issued)).toEqual({ sid: '0198c0de-0000-7000-8000-000000000001', counter: 5 })
})

test('without a key no tokens can be made', () => {
  expect(() => createRefreshTokens({ sealer: { ...createSealer([key('k1', 1)]), derive: () => [] } })).toThrow()
})
