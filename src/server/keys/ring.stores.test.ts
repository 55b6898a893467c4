/** The key ring on shared stores: one key for cold replicas, rotation that no verifier notices, and secrets that stay sealed. */
import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  calculateJwkThumbprint,
  createLocalJWKSet,
  exportJWK,
  generateKeyPair,
  type JSONWebKeySet,
  jwtVerify,
} from 'jose'
import { afterEach, describe, expect, test } from 'vitest'
import { openTestStores } from '../../dev/testing/real-stores.ts'
import { startTestGateway, type TestGateway } from '../../dev/testing/test-gateway.ts'

const JWKS = '/.well-known/jwks.json'
const opened: TestGateway[] = []
const kept = (gateway: TestGateway) => {
  opened.push(gateway)
  return gateway
}
afterEach(async () => {
  // The replicas before the one that owns the database.
  for (const gateway of opened.splice(0).reverse()) await gateway.close()
})

const jwksOf = async (gateway: TestGateway) => (await (await gateway.publicApp.request(JWKS)).json()) as JSONWebKeySet
const tokenOf = async (gateway: TestGateway, person = 'somebody') =>
  (await gateway.login(person)).body.data.token as string

test('two gateways that start at once on an empty database agree on one key', async () => {
  const stores = await openTestStores()
  const pair = [stores, { ...stores, ...stores.replica(), close: async () => undefined }]
  const [one, two] = (await Promise.all(pair.map((view) => startTestGateway({ stores: view })))).map(kept)
  if (!one || !two) throw new Error('unreachable')
  expect(await jwksOf(one)).toEqual(await jwksOf(two))
  expect((await jwksOf(one)).keys).toHaveLength(1)
  for (const [signer, verifier] of [
    [one, two],
    [two, one],
  ] as const)
    await jwtVerify(await tokenOf(signer), createLocalJWKSet(await jwksOf(verifier)))
})

describe.each(['ES256', 'RS256', 'EdDSA'])('%s', (alg) => {
  test('tokens verify with the published keys, which are public, named by thumbprint and marked', async () => {
    const gateway = kept(await startTestGateway({ environment: { SIGNING_ALG: alg } }))
    const { keys } = await jwksOf(gateway)
    const { protectedHeader } = await jwtVerify(await tokenOf(gateway), createLocalJWKSet({ keys }), {
      algorithms: [alg],
      issuer: gateway.config.issuer,
    })
    const [key] = keys
    expect(protectedHeader).toEqual({ alg, kid: key?.kid, typ: 'JWT' })
    expect(key).toMatchObject({ alg, use: 'sig', kid: await calculateJwkThumbprint(key ?? {}) })
    for (const secret of ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k']) expect(Object.keys(key ?? {})).not.toContain(secret)
  })

  test('the private half is in the database under seal alone, and another encryption key does not start on it', async () => {
    const gateway = kept(await startTestGateway({ environment: { SIGNING_ALG: alg } }))
    const rows = await gateway.stores.database.run<{ sealed_private_jwk: string; public_jwk: object }>(
      { name: 'keys', text: 'select sealed_private_jwk, public_jwk from signing_keys' },
      [],
    )
    expect(rows).toHaveLength(1)
    expect(rows[0]?.sealed_private_jwk).toMatch(/^v2\.k1\.[\w-]+$/)
    expect(Object.keys(rows[0]?.public_jwk ?? {})).not.toContain('d')
    const other = createHash('sha256').update('other').digest('base64')
    const foreign = gateway.replica({ ENCRYPTION_KEYS: `k2:${other}` })
    await expect(foreign).rejects.toThrow(/"k1", which ENCRYPTION_KEYS does not hold/)
  })
})

test('a private half that is moved to another key does not open: no replica starts on it', async () => {
  const boss = 'operator-boss-0123456789-0123456789'
  const gateway = kept(await startTestGateway({ environment: { ADMIN_TOKENS: `boss:admin:${boss}` } }))
  expect((await gateway.internal('POST', '/admin/keys/rotate', { token: boss })).status).toBe(200)
  const swap = {
    name: 'swap',
    text: `update signing_keys k set sealed_private_jwk = o.sealed_private_jwk from signing_keys o where o.kid <> k.kid`,
  }
  await gateway.stores.database.run(swap, [])
  await expect(gateway.replica()).rejects.toThrow(/cannot decrypt signing key/)
})

test('the published document is cacheable as promised and answers 304', async () => {
  const gateway = kept(await startTestGateway())
  const reply = await gateway.publicApp.request(JWKS)
  expect(reply.headers.get('content-type')).toBe('application/json')
  expect(reply.headers.get('cache-control')).toBe(
    'public, max-age=300, stale-while-revalidate=60, stale-if-error=86400',
  )
  const etag = reply.headers.get('etag') ?? ''
  for (const value of [etag, `W/${etag}`, `"x", ${etag}`, '*']) {
    const again = await gateway.publicApp.request(JWKS, { headers: { 'if-none-match': value } })
    expect([again.status, await again.text(), again.headers.get('etag')]).toEqual([304, '', etag])
  }
  expect((await gateway.publicApp.request(JWKS, { headers: { 'if-none-match': '"x"' } })).status).toBe(200)
})

test('two replicas rotate every three seconds, and a verifier that caches for the published max-age refuses nothing', async () => {
  const environment = {
    SIGNING_KEY_ROTATION_SECONDS: '3',
    SIGNING_KEY_PUBLISH_AHEAD_SECONDS: '1',
    JWKS_MAX_AGE_SECONDS: '1',
    ACCESS_TOKEN_TTL_SECONDS: '2',
  }
  const first = kept(await startTestGateway({ environment }))
  const replicas = [first, kept(await first.replica())]
  let cached: { keys: JSONWebKeySet; until: number } | undefined
  let fetches = 0
  const kids = new Set<string | undefined>()
  const until = Date.now() + 9000
  while (Date.now() < until) {
    for (const replica of replicas) {
      const token = await tokenOf(replica)
      if (!cached || cached.until <= Date.now()) {
        const from = replicas[++fetches % 2] ?? first
        const asked = Date.now()
        cached = { keys: await jwksOf(from), until: asked + 1000 }
      }
      const { protectedHeader } = await jwtVerify(token, createLocalJWKSet(cached.keys))
      kids.add(protectedHeader.kid)
    }
    await sleep(15)
  }
  expect(kids.size).toBeGreaterThanOrEqual(3)
})

describe('public keys in signing_keys that somebody else wrote', () => {
  const forge = async (gateway: TestGateway, change: (jwk: Record<string, unknown>) => object) => {
    const { publicKey } = await generateKeyPair('ES256', { extractable: true })
    const own = await exportJWK(publicKey)
    const [{ kid = '' } = {}] = (await jwksOf(gateway)).keys
    const jwk = JSON.stringify(change({ ...own, kid, alg: 'ES256', use: 'sig' }))
    const text = 'update signing_keys set public_jwk = $1 where kid = $2'
    await gateway.stores.database.run({ name: 'forge', text }, [jwk, kid])
  }

  test.each<[string, (jwk: Record<string, unknown>) => object]>([
    ['another key under a known kid', (jwk) => jwk],
    ['a key that names another kid', (jwk) => ({ ...jwk, kid: 'other' })],
    ['a key with its private half', (jwk) => ({ ...jwk, d: 'AAAA' })],
  ])('%s is neither published nor believed, and an operator is told', async (_, change) => {
    const gateway = kept(await startTestGateway())
    const before = await jwksOf(gateway)
    await forge(gateway, change)
    const fresh = kept(await gateway.replica())
    const published = (await jwksOf(fresh)).keys
    expect(published.map(({ kid }) => kid)).not.toContain(before.keys[0]?.kid)
    expect(JSON.stringify(published)).not.toContain('"d"')
    expect(fresh.logs()).toContain('ALERT: signing_keys holds public keys that their kid does not name')
    expect((await fresh.login('after')).status).toBe(200)
    // Who knew the right one before goes on with it.
    await expect.poll(() => gateway.logs(), { timeout: 5000 }).toContain('ALERT: signing_keys holds')
    expect((await jwksOf(gateway)).keys).toEqual(expect.arrayContaining(before.keys))
  })
})
