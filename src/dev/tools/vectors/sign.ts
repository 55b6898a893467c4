/** Signs what the vectors hold with the fixed test keys, the same bytes every time: ES256 by RFC 6979, the others by their nature. */

import { createPrivateKey, createPublicKey, sign } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { p256 } from '@noble/curves/nist.js'

export type KeyName = 'es' | 'es-next' | 'rs' | 'ed' | 'stranger-es' | 'stranger-rs' | 'stranger-ed'
export type TestKey = {
  kid: string
  alg: 'ES256' | 'RS256' | 'EdDSA'
  kty: string
  d: string
  [member: string]: string
}

const file = new URL('../../../../sdks/vectors/keys.json', import.meta.url)
const { keys } = JSON.parse(readFileSync(file, 'utf8')) as { keys: Record<KeyName, TestKey> }

export const testKey = (name: KeyName): TestKey => keys[name]

/** As the JWKS publishes it. */
export function publicJwk(name: KeyName): Record<string, unknown> {
  const { kid, alg } = keys[name]
  const key = createPublicKey(createPrivateKey({ key: keys[name], format: 'jwk' }))
  return { kid, alg, use: 'sig', ...key.export({ format: 'jwk' }) }
}

export function publicPem(name: KeyName): string {
  return createPublicKey(createPrivateKey({ key: keys[name], format: 'jwk' }))
    .export({ format: 'pem', type: 'spki' })
    .toString()
}

export const base64url = (bytes: string | Uint8Array): string => Buffer.from(bytes).toString('base64url')

/** A JWS of these very texts; whether they are JSON is the vector's business. */
export function signText(name: KeyName, header: string | Uint8Array, payload: string | Uint8Array): string {
  return signParts(name, base64url(header), base64url(payload))
}

/** A JWS over parts that are encoded already, perhaps badly. */
export function signParts(name: KeyName, header: string, payload: string): string {
  return `${header}.${payload}.${base64url(signatureOf(name, Buffer.from(`${header}.${payload}`)))}`
}

function signatureOf(name: KeyName, input: Uint8Array): Uint8Array {
  const key = keys[name]
  if (key.alg === 'ES256') return p256.sign(input, Buffer.from(key.d, 'base64url'), { lowS: false })
  return sign(key.alg === 'RS256' ? 'sha256' : null, input, createPrivateKey({ key, format: 'jwk' }))
}
