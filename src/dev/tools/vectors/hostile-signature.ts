/** Hostile tokens: algorithm confusion, key confusion, forged and mangled signatures. Every one is refused, for the stated reason. */

import { createHmac } from 'node:crypto'
import { bad, HEADER_64, PAYLOAD_64, SIGNATURE_64 } from './build.ts'
import type { Vector } from './format.ts'
import { claims, header, JWKS, jwks, type Members, token } from './gateway.ts'
import { base64url, type KeyName, publicJwk, publicPem, testKey } from './sign.ts'

/** HMAC keyed with something public: the oldest key confusion there is. */
function hmac(secret: string | Buffer, alg = 'HS256'): string {
  const input = `${base64url(JSON.stringify(header('es', { alg })))}.${PAYLOAD_64}`
  return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`
}

const algorithms: Vector[] = [
  bad(
    'alg-none',
    'unsigned',
    `${base64url(JSON.stringify({ alg: 'none', typ: 'JWT' }))}.${PAYLOAD_64}.`,
    'algorithm_refused',
  ),
  bad(
    'alg-none-kid',
    'unsigned, with a known kid',
    `${base64url(JSON.stringify(header('es', { alg: 'none' })))}.${PAYLOAD_64}.`,
    'algorithm_refused',
  ),
  bad('alg-none-signed', 'alg none with a real signature behind it', token({}, { alg: 'none' }), 'algorithm_refused'),
  ...['None', 'NONE', 'nOnE'].map((alg) =>
    bad(
      `alg-${alg}`,
      'none in another case',
      `${base64url(JSON.stringify(header('es', { alg })))}.${PAYLOAD_64}.`,
      'algorithm_refused',
    ),
  ),
  bad('alg-hs256-pem', 'HMAC with the public key as PEM', hmac(publicPem('es')), 'algorithm_refused'),
  bad('alg-hs256-jwk', 'HMAC with the public JWK', hmac(JSON.stringify(publicJwk('es'))), 'algorithm_refused'),
  bad('alg-hs256-empty', 'HMAC with an empty key', hmac(''), 'algorithm_refused'),
  bad('alg-hs512', 'HS512', hmac(publicPem('es'), 'HS512'), 'algorithm_refused'),
  ...['ES384', 'ES512', 'PS256', 'RS384', 'RS512', 'ES256K', 'Ed25519', 'es256', 'RSA-OAEP', 'dir', 'ES256 '].map(
    (alg) =>
      bad(
        `alg-${alg.trim()}${alg.endsWith(' ') ? '-space' : ''}`,
        'an algorithm that the gateway never uses',
        token({}, { alg }),
        'algorithm_refused',
      ),
  ),
  bad('alg-missing', 'no alg', token({}, { alg: undefined }), 'token_malformed'),
  bad('alg-number', 'alg is a number', token({}, { alg: 256 }), 'token_malformed'),
  bad('alg-null', 'alg is null', token({}, { alg: null }), 'token_malformed'),
  bad('alg-list', 'alg is a list', token({}, { alg: ['ES256'] }), 'token_malformed'),
  bad('alg-empty', 'alg is empty', token({}, { alg: '' }), 'token_malformed'),
  bad(
    'alg-of-another-key',
    'an allowed algorithm with the key of another: RS256 with the ES256 key',
    token({}, { alg: 'RS256' }),
    'algorithm_refused',
  ),
  bad('alg-es256-with-rsa-key', 'ES256 with the RSA key', token({}, { alg: 'ES256' }, 'rs'), 'algorithm_refused'),
  bad('alg-eddsa-with-ec-key', 'EdDSA with the EC key', token({}, { alg: 'EdDSA' }), 'algorithm_refused'),
  bad(
    'alg-not-allowed',
    'a good token of an algorithm that the service does not allow',
    token({}, {}, 'ed'),
    'algorithm_refused',
    { config: { algorithms: ['ES256', 'RS256'] } },
  ),
  bad(
    'alg-changed-afterwards',
    'the header changed after signing',
    `${base64url(JSON.stringify(header('es', { kid: testKey('rs').kid, alg: 'RS256' })))}.${PAYLOAD_64}.${SIGNATURE_64}`,
    'signature_invalid',
  ),
]

const keyAttacks: Vector[] = [
  ...(['stranger-es', 'stranger-rs', 'stranger-ed'] as const).map((key) => {
    const own = { 'stranger-es': 'es', 'stranger-rs': 'rs', 'stranger-ed': 'ed' }[key] as KeyName
    return bad(
      `forged-${testKey(key).alg}`,
      'another key under a published kid',
      token({}, { kid: testKey(own).kid }, key),
      'signature_invalid',
    )
  }),
  bad('unknown-kid', 'a kid that nobody published', token({}, {}, 'stranger-es'), 'key_unknown'),
  bad('kid-missing', 'no kid', token({}, { kid: undefined }), 'key_unknown'),
  bad('kid-number', 'kid is a number', token({}, { kid: 1 }), 'key_unknown'),
  bad('kid-null', 'kid is null', token({}, { kid: null }), 'key_unknown'),
  bad('kid-empty', 'kid is empty', token({}, { kid: '' }), 'key_unknown'),
  bad('kid-path', 'kid is a path', token({}, { kid: '../../../../dev/null' }), 'key_unknown'),
  bad('kid-sql', 'kid is SQL', token({}, { kid: "' OR 1=1 --" }), 'key_unknown'),
  bad('kid-url', 'kid is a URL', token({}, { kid: 'https://evil.example.com/key' }), 'key_unknown'),
  bad(
    'kid-proto',
    'kid names a member that every object of some languages has',
    token({}, { kid: '__proto__' }),
    'key_unknown',
  ),
  bad(
    'kid-constructor',
    'kid names a member that every object of some languages has',
    token({}, { kid: 'constructor' }),
    'key_unknown',
  ),
  bad('kid-case', 'a kid in another case', token({}, { kid: testKey('es').kid.toUpperCase() }), 'key_unknown'),
  bad(
    'jwk-embedded',
    'brings its own key, under our kid',
    token({}, { kid: testKey('es').kid, jwk: publicJwk('stranger-es') }, 'stranger-es'),
    'signature_invalid',
  ),
  bad(
    'jwk-embedded-own-kid',
    'brings its own key, under its kid',
    token({}, { jwk: publicJwk('stranger-es') }, 'stranger-es'),
    'key_unknown',
  ),
  bad(
    'jku',
    'says where its key is',
    token({}, { jku: 'https://evil.example.com/jwks.json' }, 'stranger-es'),
    'key_unknown',
  ),
  bad(
    'x5u',
    'says where its certificate is',
    token({}, { x5u: 'https://evil.example.com/cert.pem' }, 'stranger-es'),
    'key_unknown',
  ),
  bad(
    'x5c',
    'brings its own certificate, under our kid',
    token({}, { kid: testKey('rs').kid, x5c: ['MIIB'] }, 'stranger-rs'),
    'signature_invalid',
  ),
  bad('jwk-without-alg', 'a published key that names no algorithm is not used', token(), 'key_unknown', {
    gateway: { [JWKS]: jwksBeside({ alg: undefined }) },
  }),
  bad('jwk-for-encryption', 'a published key for encryption is not used', token(), 'key_unknown', {
    gateway: { [JWKS]: jwksBeside({ use: 'enc' }) },
  }),
  bad('jwk-private', 'a private key in the JWKS is not used', token(), 'key_unknown', {
    gateway: { [JWKS]: jwksBeside({ d: testKey('es').d }) },
  }),
  bad('jwk-symmetric', 'a symmetric key in the JWKS is not used', token(), 'key_unknown', {
    gateway: {
      [JWKS]: {
        body: JSON.stringify({
          keys: [{ kty: 'oct', k: 'c2VjcmV0', kid: testKey('es').kid, alg: 'ES256' }, publicJwk('rs')],
        }),
      },
    },
  }),
  bad('jwk-hmac', 'an HMAC key in the JWKS is not used', hmac('secret'), 'algorithm_refused', {
    gateway: {
      [JWKS]: {
        body: JSON.stringify({
          keys: [{ kty: 'oct', k: 'c2VjcmV0', kid: testKey('es').kid, alg: 'HS256' }, publicJwk('rs')],
        }),
      },
    },
  }),
  bad('jwk-alg-of-another-type', 'an RSA key that calls itself ES256 is not used', token(), 'key_unknown', {
    gateway: {
      [JWKS]: {
        body: JSON.stringify({ keys: [{ ...publicJwk('rs'), kid: testKey('es').kid, alg: 'ES256' }, publicJwk('rs')] }),
      },
    },
  }),
  bad('jwk-first-of-two', 'of two keys with one kid the first counts', token(), 'signature_invalid', {
    gateway: {
      [JWKS]: {
        body: JSON.stringify({ keys: [{ ...publicJwk('stranger-es'), kid: testKey('es').kid }, publicJwk('es')] }),
      },
    },
  }),
]

const signatures: Vector[] = [
  bad('signature-empty', 'the signature is cut off', `${HEADER_64}.${PAYLOAD_64}.`, 'signature_invalid'),
  bad(
    'signature-short',
    'the signature is too short',
    `${HEADER_64}.${PAYLOAD_64}.${SIGNATURE_64.slice(0, 40)}`,
    'signature_invalid',
  ),
  bad(
    'signature-long',
    'the signature is too long',
    `${HEADER_64}.${PAYLOAD_64}.${SIGNATURE_64.slice(0, 84)}AAAA${SIGNATURE_64.slice(-2)}`,
    'signature_invalid',
  ),
  bad(
    'signature-zero',
    'ES256 with r = s = 0 (CVE-2022-21449)',
    `${HEADER_64}.${PAYLOAD_64}.${base64url(new Uint8Array(64))}`,
    'signature_invalid',
  ),
  bad(
    'signature-der',
    'ES256 with a DER signature',
    `${HEADER_64}.${PAYLOAD_64}.${base64url(asDer(SIGNATURE_64))}`,
    'signature_invalid',
  ),
  bad(
    'signature-zero-rsa',
    'RS256 with a signature of zeros',
    `${token({}, {}, 'rs').split('.').slice(0, 2).join('.')}.${base64url(new Uint8Array(256))}`,
    'signature_invalid',
  ),
  bad(
    'signature-zero-ed',
    'EdDSA with a signature of zeros',
    `${token({}, {}, 'ed').split('.').slice(0, 2).join('.')}.${base64url(new Uint8Array(64))}`,
    'signature_invalid',
  ),
  bad(
    'signature-of-another',
    'the signature of another token',
    `${HEADER_64}.${PAYLOAD_64}.${token({ sub: 'user-2' }).split('.')[2]}`,
    'signature_invalid',
  ),
  bad(
    'payload-changed',
    'another user in the payload',
    `${HEADER_64}.${base64url(JSON.stringify(claims({ sub: 'user-2' })))}.${SIGNATURE_64}`,
    'signature_invalid',
  ),
]

/** The JWKS with its first key changed, beside one that is GOOD. */
function jwksBeside(changed: Members): { body: string } {
  const { body } = jwks('es', 'rs') as { body: string }
  const { keys } = JSON.parse(body) as { keys: Members[] }
  return { body: JSON.stringify({ keys: [{ ...keys[0], ...changed }, keys[1]] }) }
}

/** r and s as ASN.1 integers: what OpenSSL makes and JOSE does not take (RFC 7518 section 3.4). */
function asDer(signature: string): Buffer {
  const all = Buffer.from(signature, 'base64url')
  const integer = (part: Buffer): Buffer => {
    const value = (part[0] ?? 0) & 0x80 ? Buffer.concat([Buffer.from([0]), part]) : part
    return Buffer.concat([Buffer.from([2, value.length]), value])
  }
  const body = Buffer.concat([integer(all.subarray(0, 32)), integer(all.subarray(32))])
  return Buffer.concat([Buffer.from([0x30, body.length]), body])
}

export const hostileSignatures: Vector[] = [...algorithms, ...keyAttacks, ...signatures]
