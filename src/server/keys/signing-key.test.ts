/** Signing keys of each algorithm: what they publish, what they sign, and which public keys are nobody's. */
import { createPublicKey, verify } from 'node:crypto'
import { calculateJwkThumbprint, compactVerify, importJWK } from 'jose'
import { describe, expect, test } from 'vitest'
import { createSigner, generateSigningKey, isNamedRight } from './signing-key.ts'

const members = { ES256: ['crv', 'kty', 'x', 'y'], RS256: ['e', 'kty', 'n'], EdDSA: ['crv', 'kty', 'x'] }

describe.each(['ES256', 'RS256', 'EdDSA'] as const)('%s', (alg) => {
  const made = generateSigningKey(alg)

  test('publishes its public members alone, marked, and named by its thumbprint', async () => {
    const { kid, publicJwk, privateJwk, ...rest } = await made
    expect(rest).toEqual({ alg })
    expect(publicJwk).toMatchObject({ kid, alg, use: 'sig' })
    expect(Object.keys(publicJwk).sort()).toEqual([...members[alg], 'kid', 'alg', 'use'].sort())
    expect(kid).toBe(await calculateJwkThumbprint(publicJwk))
    expect(privateJwk.d).toMatch(/^[\w-]+$/)
  })

  test('has the strength that is said of it', async () => {
    const { publicJwk } = await made
    const { modulusLength, namedCurve } = createPublicKey({ key: publicJwk, format: 'jwk' }).asymmetricKeyDetails ?? {}
    expect(alg === 'RS256' ? modulusLength : (namedCurve ?? publicJwk.crv)).toBe(
      { ES256: 'prime256v1', RS256: 2048, EdDSA: 'Ed25519' }[alg],
    )
  })

  test('signs what any library verifies, every time, and nothing else verifies', async () => {
    const { publicJwk, privateJwk } = await made
    const sign = createSigner(alg, privateJwk)
    const key = await importJWK(publicJwk, alg)
    const header = Buffer.from(JSON.stringify({ alg })).toString('base64url')
    // Of 256 signatures of ES256 one or two have a shorter number in them.
    for (let n = 0; n < (alg === 'ES256' ? 1500 : 3); n += 1) {
      const input = `${header}.${Buffer.from(String(n)).toString('base64url')}`
      const signature = await sign(input)
      if (alg === 'ES256') {
        expect(Buffer.from(signature, 'base64url')).toHaveLength(64)
        const options = { key: createPublicKey({ key: publicJwk, format: 'jwk' }), dsaEncoding: 'ieee-p1363' } as const
        expect(verify('sha256', Buffer.from(input), options, Buffer.from(signature, 'base64url'))).toBe(true)
      }
      if (n > 2) continue
      await compactVerify(`${input}.${signature}`, key)
      await expect(compactVerify(`${input}AA.${signature}`, key)).rejects.toThrow()
    }
  })

  test('is told from a key that its kid does not name, that says something else of itself, or that holds more or less', async () => {
    const { kid, publicJwk } = await made
    const other = await generateSigningKey(alg)
    const right = { kid, alg, publicJwk }
    expect(await isNamedRight(right)).toBe(true)
    const [first = ''] = members[alg].filter((name) => name !== 'kty')
    const { [first as 'x']: _left, ...less } = publicJwk
    const wrong = [
      { ...right, kid: other.kid },
      { ...right, alg: 'HS256' },
      { ...right, kid: other.kid, publicJwk: { ...publicJwk, kid: other.kid } },
      { ...right, publicJwk: { ...other.publicJwk, kid } },
      { ...right, publicJwk: { ...publicJwk, kid: other.kid } },
      { ...right, publicJwk: { ...publicJwk, alg: 'HS256' } },
      { ...right, publicJwk: { ...publicJwk, d: 'AAAA' } },
      { ...right, publicJwk: less },
      { ...right, publicJwk: {} },
      { ...right, publicJwk: { ...publicJwk, kty: 'oct' } },
      { ...right, publicJwk: { ...publicJwk, [first]: 7 as never } },
    ]
    for (const one of wrong) expect([one, await isNamedRight(one)]).toEqual([one, false])
  })
})

test('an algorithm that is not known signs nothing', async () => {
  const { privateJwk } = await generateSigningKey('ES256')
  for (const alg of ['none', 'HS256', ''])
    expect(() => createSigner(alg, privateJwk)).toThrow('unknown signing algorithm')
})

test('a failure to sign in the thread pool is a failure of the signature', async () => {
  const { privateJwk } = await generateSigningKey('ES256')
  const sign = createSigner('RS256', privateJwk)
  // A curve's key signs SHA-256 too, so that what is wrong shows in the form: DER, not 64 bytes.
  expect(Buffer.from(await sign('x'), 'base64url').length).not.toBe(64)
})
