/** Which RSA keys of a platform are taken: strong ones, in the forms that platforms hand out. */
import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { isPair, readRsaPrivateKey, readRsaPublicKey } from './rsa-keys.ts'

const pairOf = (modulusLength: number) => generateKeyPairSync('rsa', { modulusLength })
const strong = pairOf(2048)
const weak = [1024, 2040].map((bits) => [bits, pairOf(bits)] as const)
const curve = generateKeyPairSync('ec', { namedCurve: 'P-256' })

const pem = (key: typeof strong.privateKey, type: 'pkcs8' | 'pkcs1' = 'pkcs8') =>
  key.export({ format: 'pem', type }).toString()
const bare = (key: typeof strong.privateKey, type: 'pkcs8' | 'pkcs1' = 'pkcs8') =>
  key.export({ format: 'der', type }).toString('base64')
const publicPem = (key: typeof strong.publicKey) => key.export({ format: 'pem', type: 'spki' }).toString()
const publicBare = (key: typeof strong.publicKey) => key.export({ format: 'der', type: 'spki' }).toString('base64')

test('2048 bits are taken in every form, and are told to be a pair', () => {
  const { privateKey, publicKey } = strong
  const privates = [pem(privateKey), pem(privateKey, 'pkcs1'), bare(privateKey), bare(privateKey, 'pkcs1')]
  for (const text of privates) {
    const own = readRsaPrivateKey(text)
    const other = readRsaPublicKey(publicBare(publicKey))
    expect(own && other && isPair(own, other)).toBe(true)
  }
  expect(readRsaPublicKey(publicPem(publicKey))?.asymmetricKeyType).toBe('rsa')
})

describe.each(weak)('%i bits are too few', (_, { privateKey, publicKey }) => {
  test('for a private key', () => {
    for (const text of [pem(privateKey), pem(privateKey, 'pkcs1'), bare(privateKey), bare(privateKey, 'pkcs1')])
      expect(readRsaPrivateKey(text)).toBeUndefined()
  })

  test('for a public key', () => {
    for (const text of [publicPem(publicKey), publicBare(publicKey)]) expect(readRsaPublicKey(text)).toBeUndefined()
  })
})

test('another kind of key, a private key as a public one, and what is no key are none', () => {
  expect(readRsaPrivateKey(pem(curve.privateKey))).toBeUndefined()
  expect(readRsaPublicKey(publicPem(curve.publicKey))).toBeUndefined()
  expect(readRsaPublicKey(pem(strong.privateKey))).toBeUndefined()
  expect(readRsaPublicKey(bare(strong.privateKey))).toBeUndefined()
  for (const text of ['', 'AAAA', '-----BEGIN PUBLIC KEY-----']) {
    expect(readRsaPrivateKey(text)).toBeUndefined()
    expect(readRsaPublicKey(text)).toBeUndefined()
  }
})
