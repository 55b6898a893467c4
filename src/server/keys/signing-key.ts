/** One signing key: made, named by its thumbprint (RFC 7638), and put to work. */
import { createPrivateKey, type KeyObject, sign } from 'node:crypto'
import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK } from 'jose'
import type { SigningAlgorithm } from '../config/config.ts'

export type NewSigningKey = { kid: string; alg: SigningAlgorithm; publicJwk: JWK; privateJwk: JWK }

export async function generateSigningKey(alg: SigningAlgorithm): Promise<NewSigningKey> {
  const pair = await generateKeyPair(alg, { extractable: true, ...(alg === 'RS256' ? { modulusLength: 2048 } : {}) })
  const [publicJwk, privateJwk] = await Promise.all([exportJWK(pair.publicKey), exportJWK(pair.privateKey)])
  const kid = await calculateJwkThumbprint(publicJwk)
  return { kid, alg, publicJwk: { ...publicJwk, kid, alg, use: 'sig' }, privateJwk }
}

/**
 * Whether a public key is the one that its kid names (RFC 7638), in the form that is published and with nothing private in it. What
 * is not was written by somebody else than the gateway.
 */
export async function isNamedRight({
  kid,
  alg,
  publicJwk,
}: Pick<NewSigningKey, 'kid' | 'publicJwk'> & { alg: string }) {
  const members = publicJwk.kty === 'RSA' ? ['n', 'e'] : ['crv', 'x', ...(publicJwk.kty === 'EC' ? ['y'] : [])]
  const expected = ['kty', 'kid', 'alg', 'use', ...members].sort().join()
  if (Object.keys(publicJwk).sort().join() !== expected || publicJwk.kid !== kid || publicJwk.alg !== alg) return false
  return (await calculateJwkThumbprint(publicJwk).catch(() => undefined)) === kid
}

/** Signs the text `header.payload` and gives the third part of the JWS, base64url. */
export type SignJws = (signingInput: string) => string | Promise<string>

/** ES256 and EdDSA sign at once (about 30 µs); RS256 costs ten times that, so it goes to the thread pool. */
export function createSigner(alg: string, privateJwk: JWK): SignJws {
  const key = createPrivateKey({ key: privateJwk as Record<string, unknown>, format: 'jwk' })
  switch (alg) {
    case 'ES256':
      return (input) => es256(input, key)
    case 'EdDSA':
      return (input) => sign(null, Buffer.from(input), key).toString('base64url')
    case 'RS256':
      return (input) =>
        new Promise((resolve, reject) => {
          sign('sha256', Buffer.from(input), key, (error, signature) =>
            error ? reject(error) : resolve(signature.toString('base64url')),
          )
        })
    default:
      throw new Error(`unknown signing algorithm ${alg}`)
  }
}

const COORDINATE_BYTES = 32

/** RFC 7518 section 3.4 wants r || s; asking node:crypto for DER and converting costs half of asking for that form. */
function es256(input: string, key: KeyObject): string {
  const der = sign('sha256', Buffer.from(input), key)
  const out = Buffer.alloc(2 * COORDINATE_BYTES)
  // SEQUENCE, length; then twice INTEGER, length, big-endian bytes with a zero in front when the first bit is set.
  let at = 2
  for (const end of [COORDINATE_BYTES, 2 * COORDINATE_BYTES]) {
    const length = der[at + 1] ?? 0
    const integer = der.subarray(at + 2, at + 2 + length)
    const trimmed = integer.length > COORDINATE_BYTES ? integer.subarray(integer.length - COORDINATE_BYTES) : integer
    trimmed.copy(out, end - trimmed.length)
    at += 2 + length
  }
  return out.toString('base64url')
}
