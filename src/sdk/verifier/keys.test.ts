/** How the verifier gets its keys and keeps them: what is fetched and when, and what an outage or an attacker can do to it. */

import { exportJWK, generateKeyPair } from 'jose'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { AUDIENCE, advance, createTestIssuer, type TestIssuer, until } from '../../dev/testing/verifier.ts'
import { createVerifier, type Verifier, type VerifierFailure, type VerifierOptions } from './verifier.ts'

const JWKS = '/.well-known/jwks.json'
let gateway: TestIssuer
let failures: VerifierFailure[]
const made: Verifier[] = []

beforeEach(async () => {
  vi.useFakeTimers({
    toFake: ['setTimeout', 'clearTimeout', 'Date', 'performance'],
    now: new Date('2026-01-01T00:00:00Z'),
  })
  gateway = await createTestIssuer()
  failures = []
})

afterEach(() => {
  for (const verifier of made.splice(0)) verifier.close()
  vi.useRealTimers()
})

function create(options: Partial<VerifierOptions> = {}): Verifier {
  const verifier = createVerifier({
    issuer: gateway.issuer,
    audience: AUDIENCE,
    fetch: gateway.fetch,
    onFailure: (failure) => failures.push(failure),
    ...options,
  })
  made.push(verifier)
  return verifier
}

const accepted = { sub: 'user-1' }
const refused = (code: string) => expect.objectContaining({ code })

test('parallel cold verifies make one fetch of each document', async () => {
  const verifier = create()
  const tokens = await Promise.all(Array.from({ length: 50 }, (_, index) => gateway.token({ index })))
  await Promise.all(tokens.map((token) => verifier.verify(token)))
  expect(gateway.requests.toSorted()).toEqual([
    '/.well-known/jwks.json',
    '/.well-known/openid-configuration',
    '/status-lists/1',
  ])
})

test('making a verifier fetches nothing; after ready() no request does either', async () => {
  const verifier = create()
  expect(gateway.requests).toEqual([])
  await verifier.ready()
  const before = gateway.requests.length
  for (let index = 0; index < 20; index += 1) await verifier.verify(await gateway.token({ index }))
  expect(gateway.requests).toHaveLength(before)
  expect(verifier.state()).toMatchObject({ usable: true, keys: { kids: ['key-1'], ageSeconds: 0, failing: false } })
})

test('a flood of unknown kids makes one fetch in 30 seconds', async () => {
  const verifier = create()
  await verifier.ready()
  const flood = async () => {
    const tokens = Array.from({ length: 100 }, (_, i) => gateway.token({ header: { kid: `made-up-${i}` } }))
    for (const token of await Promise.all(tokens)) {
      await expect(verifier.verify(token)).rejects.toEqual(refused('key_unknown'))
    }
  }
  await flood()
  await flood()
  expect(gateway.asked(JWKS)).toBe(2)
  await advance(29)
  await flood()
  expect(gateway.asked(JWKS)).toBe(2)
  await advance(1)
  await flood()
  expect(gateway.asked(JWKS)).toBe(3)
})

test('a key that was published ahead signs without anyone having to wait', async () => {
  const verifier = create()
  await verifier.ready()
  const next = await gateway.publishKey('key-2')
  await advance(300)
  gateway.activate(next)
  const before = gateway.asked(JWKS)
  await expect(verifier.verify(await gateway.token())).resolves.toMatchObject(accepted)
  expect(gateway.asked(JWKS)).toBe(before)
})

test('a key that signs the moment it exists is fetched once for all requests that wait for it', async () => {
  const verifier = create()
  await verifier.ready()
  gateway.activate(await gateway.publishKey('key-2'))
  const token = await gateway.token()
  const all = await Promise.all(Array.from({ length: 20 }, () => verifier.verify(token)))
  expect(all).toHaveLength(20)
  expect(gateway.asked(JWKS)).toBe(2)
})

test('a key taken out of the JWKS is trusted no longer than the max-age', async () => {
  const verifier = create()
  await verifier.ready()
  const old = await gateway.token()
  gateway.activate(await gateway.publishKey('key-2'))
  gateway.published.shift()
  await expect(verifier.verify(old)).resolves.toMatchObject(accepted)
  await advance(300)
  await expect(verifier.verify(old)).rejects.toEqual(refused('key_unknown'))
})

test.each([
  ['public, max-age=60', 60],
  ['no-cache', 300],
  ['max-age=0', 300],
  ['max-age=999999', 3600],
])('with Cache-Control %j the keys are fetched again after %i seconds', async (cacheControl, seconds) => {
  gateway = await createTestIssuer({ jwksHeaders: { 'cache-control': cacheControl } })
  const verifier = create()
  await verifier.ready()
  await advance(seconds - 1)
  expect(gateway.asked(JWKS)).toBe(1)
  await advance(1)
  expect(gateway.asked(JWKS)).toBe(2)
})

test('with the gateway down good tokens are accepted, for the stated time and no longer', async () => {
  const verifier = create({ maxStaleSeconds: 7200 })
  await verifier.ready()
  gateway.setDown(true)
  await advance(7_199)
  await expect(verifier.verify(await gateway.token())).resolves.toMatchObject(accepted)
  await advance(1)
  await expect(verifier.verify(await gateway.token())).rejects.toMatchObject({ code: 'keys_unavailable', status: 503 })
  expect(verifier.state()).toMatchObject({ usable: false, keys: { failing: true } })
  expect(failures.some(({ part }) => part === 'keys')).toBe(true)

  gateway.setDown(false)
  await advance(30)
  expect(verifier.state().usable).toBe(true)
  await expect(verifier.verify(await gateway.token())).resolves.toMatchObject(accepted)
})

test('a gateway that is down at the start is an outage, not a bad token, and is not hammered', async () => {
  gateway.setDown(true)
  const verifier = create()
  await expect(verifier.ready()).rejects.toMatchObject({ code: 'keys_unavailable', status: 503 })
  const token = await gateway.token()
  for (let i = 0; i < 100; i += 1) await expect(verifier.verify(token)).rejects.toEqual(refused('keys_unavailable'))
  expect(gateway.requests).toHaveLength(1)
  gateway.setDown(false)
  await advance(1)
  expect(verifier.state().usable).toBe(true)
  await expect(verifier.verify(token)).resolves.toMatchObject(accepted)
})

test('an unknown kid while the gateway is down is an outage, not a bad token', async () => {
  const verifier = create()
  await verifier.ready()
  gateway.setDown(true)
  const token = await gateway.token({ header: { kid: 'key-2' } })
  await expect(verifier.verify(token)).rejects.toEqual(refused('keys_unavailable'))
  await expect(verifier.verify(await gateway.token())).resolves.toMatchObject(accepted)
})

test('a gateway that never answers holds a request no longer than waitMs', async () => {
  gateway.overrides.set('/.well-known/openid-configuration', () => new Promise<Response>(() => {}))
  const verifier = create({ waitMs: 1500 })
  const outcome = expect(verifier.verify(await gateway.token())).rejects.toEqual(refused('keys_unavailable'))
  await until(() => gateway.requests.length === 1)
  await vi.advanceTimersByTimeAsync(1500)
  await outcome
})

test.each<[string, () => Response]>([
  ['an empty key set', () => Response.json({ keys: [] })],
  ['an error page', () => new Response('<html>', { status: 200 })],
  ['a redirect', () => Response.redirect('https://evil.example.com/jwks.json')],
  [
    'a key set as long as a book',
    () => new Response(JSON.stringify({ keys: gateway.published }) + ' '.repeat(300_000)),
  ],
  ['a key that names no algorithm', () => Response.json({ keys: [{ ...gateway.key().jwk, alg: undefined }] })],
  ['a key for encryption', () => Response.json({ keys: [{ ...gateway.key().jwk, use: 'enc' }] })],
  ['a symmetric key', () => Response.json({ keys: [{ kty: 'oct', k: 'c2VjcmV0', kid: 'key-1', alg: 'ES256' }] })],
  ['an HMAC key', () => Response.json({ keys: [{ kty: 'oct', k: 'c2VjcmV0', kid: 'key-1', alg: 'HS256' }] })],
])('%s in the place of the JWKS changes nothing', async (_name, response) => {
  const verifier = create()
  await verifier.ready()
  gateway.overrides.set(JWKS, response)
  await advance(300)
  expect(verifier.state().keys.failing).toBe(true)
  await expect(verifier.verify(await gateway.token())).resolves.toMatchObject(accepted)
})

test('a private key in the JWKS is not used', async () => {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true })
  gateway.published.push({ ...(await exportJWK(privateKey)), kid: 'leaked', alg: 'ES256', use: 'sig' })
  const verifier = create()
  await verifier.ready()
  expect(verifier.state().keys.kids).toEqual(['key-1'])
  expect(failures).toHaveLength(1)
})

test('metadata of another issuer is not believed', async () => {
  gateway.overrides.set('/.well-known/openid-configuration', () =>
    Response.json({ issuer: 'https://evil.example.com', jwks_uri: `${gateway.issuer}${JWKS}` }),
  )
  await expect(create().ready()).rejects.toEqual(refused('keys_unavailable'))
  expect(gateway.asked(JWKS)).toBe(0)
})

test.each([
  'https://evil.example.com/.well-known/jwks.json',
  'https://auth.example.com.evil.example/jwks.json',
  'https://auth.example.com@evil.example/jwks.json',
  'file:///etc/passwd',
])('a jwks_uri outside the issuer is not fetched: %s', async (jwksUri) => {
  gateway.overrides.set('/.well-known/openid-configuration', () =>
    Response.json({ issuer: gateway.issuer, jwks_uri: jwksUri }),
  )
  await expect(create().ready()).rejects.toEqual(refused('keys_unavailable'))
  expect(gateway.requests).toEqual(['/.well-known/openid-configuration'])
})

test('everything is fetched through baseUrl, while the issuer stays the public one', async () => {
  const urls: string[] = []
  const verifier = create({
    baseUrl: 'http://gateway.auth-gateway.svc',
    fetch: (input, init) => {
      urls.push(String(input))
      return gateway.fetch(String(input), init)
    },
  })
  await verifier.ready()
  await expect(verifier.verify(await gateway.token())).resolves.toMatchObject(accepted)
  expect(urls).toHaveLength(4)
  expect(urls.every((url) => url.startsWith('http://gateway.auth-gateway.svc/'))).toBe(true)
})

test('a failure handler that itself fails does not stop the polling', async () => {
  gateway.setDown(true)
  const verifier = create({
    onFailure: () => {
      throw new Error('the log is full')
    },
  })
  await expect(verifier.ready()).rejects.toEqual(refused('keys_unavailable'))
  gateway.setDown(false)
  await advance(1)
  expect(verifier.state().usable).toBe(true)
})

test('a closed verifier fetches nothing more and still knows what it knew', async () => {
  const verifier = create()
  await verifier.ready()
  verifier.close()
  const before = gateway.requests.length
  await advance(3_600)
  expect(gateway.requests).toHaveLength(before)
  await expect(verifier.verify(await gateway.token())).resolves.toMatchObject(accepted)
})
