/** The configurations that docs/consumers.md gives for libraries other than ours, as far as they are installed here. */

import { Hono } from 'hono'
import { jwk } from 'hono/jwk'
import { createRemoteJWKSet, customFetch, jwtVerify } from 'jose'
import { beforeAll, describe, expect, test } from 'vitest'
import { AUDIENCE, createTestIssuer, type TestIssuer } from '../../dev/testing/verifier.ts'

const JWKS_URI = 'https://auth.example.com/.well-known/jwks.json'
let gateway: TestIssuer

beforeAll(async () => {
  gateway = await createTestIssuer()
})

type Accepts = (token: string) => Promise<boolean>

function withJose(): Accepts {
  const keys = createRemoteJWKSet(new URL(JWKS_URI), { [customFetch]: gateway.fetch })
  const checks = { issuer: gateway.issuer, audience: AUDIENCE, algorithms: ['ES256'], typ: 'JWT' }
  return (token) =>
    jwtVerify(token, keys, { ...checks, requiredClaims: ['exp', 'sub'] }).then(
      () => true,
      () => false,
    )
}

function withHono(): Accepts {
  let cached: Promise<{ keys: [] }> | undefined
  const keys = async () => {
    cached ??= gateway.fetch(JWKS_URI).then((response) => response.json() as Promise<{ keys: [] }>)
    return (await cached).keys
  }
  const app = new Hono()
  app.use(jwk({ keys, alg: ['ES256'], verification: { iss: gateway.issuer, aud: AUDIENCE } }))
  app.get('/', (c) => c.text('in'))
  return async (token) => (await app.request('/', { headers: { authorization: `Bearer ${token}` } })).status === 200
}

describe.each([
  ['jose', withJose],
  ['hono jwk()', withHono],
])('%s, configured as documented,', (_name, create) => {
  let accepts: Accepts
  beforeAll(() => {
    accepts = create()
  })

  test('accepts a good token', async () => {
    expect(await accepts(await gateway.token())).toBe(true)
  })

  test('fetches the keys once, not for every token', async () => {
    const before = gateway.asked('/.well-known/jwks.json')
    for (let i = 0; i < 5; i += 1) await accepts(await gateway.token())
    expect(gateway.asked('/.well-known/jwks.json') - before).toBeLessThanOrEqual(1)
  })

  test('refuses a token that is expired, foreign, for others, or no access token', async () => {
    const foreign = await createTestIssuer()
    const bad = [
      await gateway.token({ claims: { exp: 1 } }),
      await gateway.token({ claims: { iss: 'https://evil.example.com' } }),
      await gateway.token({ claims: { aud: 'https://other.example.com' } }),
      await gateway.statusList(),
      await foreign.token(),
    ]
    for (const token of bad) expect(await accepts(token)).toBe(false)
  })
})
