/** RSA keys in the forms that platforms hand out, and nothing that is weaker or not what was asked for. */
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { isPair, readRsaPrivateKey, readRsaPublicKey } from './rsa-keys.ts'

const rsa = (modulusLength: number) => generateKeyPairSync('rsa', { modulusLength })
const [own, other, weak] = [rsa(2048), rsa(2048), rsa(2047)]
const pss = generateKeyPairSync('rsa-pss', { modulusLength: 2048 })
const curve = generateKeyPairSync('ec', { namedCurve: 'P-256' })

const pem = (key: KeyObject, type: 'pkcs8' | 'pkcs1' | 'spki') =>
  key.export({ format: 'pem', type } as never).toString()
const bare = (key: KeyObject, type: 'pkcs8' | 'pkcs1' | 'spki') =>
  (key.export({ format: 'der', type } as never) as unknown as Buffer).toString('base64')

describe('a private key', () => {
  test.each([
    ['PKCS#8 as PEM', pem(own.privateKey, 'pkcs8')],
    ['PKCS#1 as PEM', pem(own.privateKey, 'pkcs1')],
    ['PKCS#8 as bare base64', bare(own.privateKey, 'pkcs8')],
    ['PKCS#1 as bare base64', bare(own.privateKey, 'pkcs1')],
  ])('is read as %s', (_form, text) => {
    expect(readRsaPrivateKey(text)?.equals(own.privateKey)).toBe(true)
  })

  test.each([
    ['of 2047 bits, as PEM', pem(weak.privateKey, 'pkcs8')],
    ['of 2047 bits, as bare base64', bare(weak.privateKey, 'pkcs1')],
    ['for PSS alone', pem(pss.privateKey, 'pkcs8')],
    ['of a curve, as PEM', pem(curve.privateKey, 'pkcs8')],
    ['of a curve, as bare base64', bare(curve.privateKey, 'pkcs8')],
    ['that is a public one', pem(own.publicKey, 'spki')],
    ['that is no key', 'AAAA'],
    ['that only begins as one', '-----BEGIN PUBLIC KEY-----'],
    ['that is nothing', ''],
  ])('%s is refused', (_form, text) => {
    expect(readRsaPrivateKey(text)).toBeUndefined()
  })
})

describe('a public key', () => {
  test.each([
    ['as PEM', pem(own.publicKey, 'spki')],
    ['as bare base64', bare(own.publicKey, 'spki')],
  ])('is read %s', (_form, text) => {
    expect(readRsaPublicKey(text)?.equals(own.publicKey)).toBe(true)
  })

  test.each([
    ['of 2047 bits', pem(weak.publicKey, 'spki')],
    ['of 2047 bits, as bare base64', bare(weak.publicKey, 'spki')],
    ['for PSS alone', pem(pss.publicKey, 'spki')],
    ['of a curve', pem(curve.publicKey, 'spki')],
    ['that is a private one', pem(own.privateKey, 'pkcs8')],
    ['that is a private one of the older form', pem(own.privateKey, 'pkcs1')],
    ['that is a private one, as bare base64', bare(own.privateKey, 'pkcs8')],
    ['that is no key', 'AAAA'],
    ['that only begins as one', '-----BEGIN PUBLIC KEY-----'],
    ['that is nothing', ''],
  ])('%s is refused', (_form, text) => {
    expect(readRsaPublicKey(text)).toBeUndefined()
  })
})

test('a pair is told from two strangers', () => {
  expect(isPair(own.privateKey, own.publicKey)).toBe(true)
  expect(isPair(own.privateKey, other.publicKey)).toBe(false)
})
