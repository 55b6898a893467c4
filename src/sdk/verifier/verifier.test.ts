/** What the verifier accepts and what it refuses, by the claims and headers of one token. */

import { createSecretKey } from 'node:crypto'
import fc from 'fast-check'
import { exportSPKI, importJWK, SignJWT, UnsecuredJWT } from 'jose'
import { beforeAll, describe, expect, test } from 'vitest'
import { AUDIENCE, CLIENT_ID, createTestIssuer, type TestIssuer } from '../../dev/testing/verifier.ts'
import { createVerifier, type Verifier, VerifierError, type VerifierErrorCode } from './verifier.ts'

let gateway: TestIssuer
let verifier: Verifier

beforeAll(async () => {
  gateway = await createTestIssuer()
  verifier = createVerifier({ issuer: gateway.issuer, audience: AUDIENCE, fetch: gateway.fetch })
})

async function refusal(token: string | undefined, by: Verifier = verifier): Promise<VerifierErrorCode> {
  const error = await by.verify(token).then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!(error instanceof VerifierError)) throw new Error(`expected a VerifierError, not ${String(error)}`)
  return error.code
}

describe('a good token', () => {
  test('gives its claims', async () => {
    const claims = await verifier.verify(await gateway.token({ claims: { roles: ['admin'] } }))
    expect(claims).toMatchObject({ sub: 'user-1', sid: 'session-0', client_id: CLIENT_ID, roles: ['admin'] })
  })

  test.each(['JWT', 'jwt', 'at+jwt', 'AT+JWT', 'application/at+jwt'])('may be of typ %s', async (typ) => {
    await expect(verifier.verify(await gateway.token({ header: { typ } }))).resolves.toBeDefined()
  })

  test.each(['ES256', 'RS256', 'EdDSA'] as const)('may be signed with %s', async (algorithm) => {
    const other = await createTestIssuer({ algorithm })
    const its = createVerifier({ issuer: other.issuer, audience: AUDIENCE, fetch: other.fetch })
    await expect(its.verify(await other.token())).resolves.toBeDefined()
  })

  test.each([
    [AUDIENCE, [AUDIENCE, 'https://other.example.com']],
    [[AUDIENCE, 'https://other.example.com'], 'https://other.example.com'],
  ])('for audience %j may name %j', async (audience, aud) => {
    const its = createVerifier({ issuer: gateway.issuer, audience, fetch: gateway.fetch })
    await expect(its.verify(await gateway.token({ claims: { aud } }))).resolves.toBeDefined()
  })
})

describe('refused is', () => {
  test('nothing at all', async () => {
    expect(await refusal(undefined)).toBe('token_missing')
    expect(await refusal('')).toBe('token_missing')
  })

  const past = Math.floor(Date.now() / 1000) - 10
  const future = Math.floor(Date.now() / 1000) + 60
  test.each<[string, Record<string, unknown>, VerifierErrorCode]>([
    ['an expired token', { exp: past }, 'token_expired'],
    ['a token that never expires', { exp: undefined }, 'claim_missing'],
    ['a token of the future', { nbf: future }, 'token_not_yet_valid'],
    ['an exp that is no number', { exp: '9999999999' }, 'claim_invalid'],
    ['a foreign issuer', { iss: 'https://evil.example.com' }, 'issuer_mismatch'],
    ['an issuer with one slash more', { iss: 'https://auth.example.com/' }, 'issuer_mismatch'],
    ['a foreign audience', { aud: 'https://other.example.com' }, 'audience_mismatch'],
    ['foreign audiences', { aud: ['https://other.example.com'] }, 'audience_mismatch'],
    ['no audience', { aud: undefined }, 'claim_missing'],
    ['no subject', { sub: undefined }, 'claim_missing'],
    ['an empty subject', { sub: '' }, 'claim_invalid'],
    ['no session', { sid: undefined }, 'claim_missing'],
    ['no client', { client_id: undefined }, 'claim_missing'],
    ['no jti', { jti: undefined }, 'claim_missing'],
    ['no iat', { iat: undefined }, 'claim_missing'],
    ['roles in one string', { roles: 'admin' }, 'claim_invalid'],
    ['an openid that is no text', { openid: 1 }, 'claim_invalid'],
    ['a status with no list', { status: {} }, 'claim_invalid'],
    ['a negative index', { status: { status_list: { idx: -1, uri: 'x' } } }, 'claim_invalid'],
    ['a broken index', { status: { status_list: { idx: 0.5, uri: 'x' } } }, 'claim_invalid'],
  ])('%s', async (_name, claims, code) => {
    expect(await refusal(await gateway.token({ claims }))).toBe(code)
  })

  test.each(['statuslist+jwt', 'secevent+jwt', 'id+jwt', '', undefined, 7])('typ %j', async (typ) => {
    expect(await refusal(await gateway.token({ header: { typ } }))).toBe('type_mismatch')
  })

  test('a status list in the place of an access token', async () => {
    const claims = { iss: gateway.issuer, aud: AUDIENCE, sid: 's', client_id: 'c', jti: 'j' }
    expect(await refusal(await gateway.statusList({ claims }))).toBe('type_mismatch')
  })

  test('a token without status, if the service says so', async () => {
    const token = await gateway.token({ claims: { status: undefined } })
    await expect(verifier.verify(token)).resolves.toBeDefined()
    const strict = createVerifier({
      issuer: gateway.issuer,
      audience: AUDIENCE,
      fetch: gateway.fetch,
      onMissingStatus: 'refuse',
    })
    expect(await refusal(token, strict)).toBe('claim_missing')
  })

  test('an unsigned token', async () => {
    const token = new UnsecuredJWT({ iss: gateway.issuer, aud: AUDIENCE, sub: 'user-1' })
    expect(await refusal(token.setExpirationTime('1h').encode())).toBe('algorithm_refused')
  })

  test('an HMAC made with the public key', async () => {
    const publicKey = await importJWK(gateway.key().jwk, 'ES256', { extractable: true })
    if (publicKey instanceof Uint8Array) throw new Error('not a public key')
    const secret = createSecretKey(await exportSPKI(publicKey), 'utf8')
    const token = new SignJWT({ iss: gateway.issuer, aud: AUDIENCE, sub: 'user-1' }).setExpirationTime('1h')
    const forged = await token.setProtectedHeader({ alg: 'HS256', kid: 'key-1', typ: 'JWT' }).sign(secret)
    expect(await refusal(forged)).toBe('algorithm_refused')
  })

  test('an allowed algorithm with the key of another', async () => {
    const rsa = await (await createTestIssuer({ algorithm: 'RS256' })).token()
    expect(await refusal(rsa)).toBe('algorithm_refused')
  })

  test('an algorithm that the service has not allowed', async () => {
    const strict = createVerifier({
      issuer: gateway.issuer,
      audience: AUDIENCE,
      algorithms: ['RS256', 'ES256'],
      fetch: gateway.fetch,
    })
    const other = await createTestIssuer({ algorithm: 'EdDSA' })
    expect(await refusal(await other.token(), strict)).toBe('algorithm_refused')
  })

  test('a good-looking token of another key with the same kid', async () => {
    expect(await refusal(await (await createTestIssuer()).token())).toBe('signature_invalid')
  })

  test('a token that brings its own key along', async () => {
    const forger = await createTestIssuer()
    const header = { jwk: forger.key().jwk, jku: 'https://evil.example.com/jwks.json' }
    expect(await refusal(await forger.token({ header }))).toBe('signature_invalid')
  })

  test('a token with no kid', async () => {
    expect(await refusal(await gateway.token({ header: { kid: undefined } }))).toBe('key_unknown')
  })

  test('a token as long as a book', async () => {
    expect(await refusal(await gateway.token({ claims: { roles: ['a'.repeat(20_000)] } }))).toBe('token_malformed')
  })

  test('a token with any one character changed', async () => {
    const token = await gateway.token()
    // The last character of a signature has four spare bits: another spelling of the same bytes, not another signature.
    const position = fc.integer({ min: 0, max: token.length - 2 })
    const letter = fc.constantFrom(...'ABCxyz019-_.')
    await fc.assert(
      fc.asyncProperty(position, letter, async (at, character) => {
        fc.pre(token[at] !== character)
        await refusal(token.slice(0, at) + character + token.slice(at + 1))
      }),
      { numRuns: 300 },
    )
  })

  test('any nonsense, always with a VerifierError', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string(), fc.json(), async (text, json) => {
        await refusal(text)
        await refusal(`${Buffer.from(json).toString('base64url')}.${Buffer.from(text).toString('base64url')}.AAAA`)
      }),
    )
  })
})

test('an error holds no part of the token', async () => {
  const token = await gateway.token({ claims: { exp: 1, openid: 'oSecretOpenid' } })
  const error: unknown = await verifier.verify(token).catch((reason: unknown) => reason)
  const { inspect } = await import('node:util')
  expect(inspect(error, { depth: 10 })).not.toMatch(/oSecretOpenid|user-1|session-0/)
})

test.each([
  [{ issuer: '', audience: AUDIENCE }],
  [{ issuer: 'https://auth.example.com', audience: '' }],
  [{ issuer: 'https://auth.example.com', audience: [] }],
  [{ issuer: 'https://auth.example.com', audience: AUDIENCE, algorithms: [] }],
])('a verifier with a gap in its configuration is not made: %j', (options) => {
  expect(() => createVerifier(options)).toThrow(TypeError)
})
