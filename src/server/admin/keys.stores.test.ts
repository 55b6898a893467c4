/** Operators rotate and retire signing keys: what signs, what is published, what is refused, on every replica. */
import { decodeProtectedHeader } from 'jose'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { startTestGateway, type TestGateway } from '../../dev/testing/test-gateway.ts'

const BOSS = 'operator-boss-0123456789-0123456789'

describe('operators and signing keys', () => {
  let offsetMs = 0
  let gateway: TestGateway
  beforeEach(async () => {
    offsetMs = 0
    gateway = await startTestGateway({
      clock: { now: () => new Date(Date.now() + offsetMs) },
      // Seconds, so that replicas look for new keys every quarter of a second.
      environment: {
        ADMIN_TOKENS: `boss:admin:${BOSS}`,
        SIGNING_KEY_ROTATION_SECONDS: '100000',
        SIGNING_KEY_PUBLISH_AHEAD_SECONDS: '2',
        JWKS_MAX_AGE_SECONDS: '2',
      },
    })
  })
  afterEach(() => gateway.close())

  const operate = (method: string, path: string, body?: unknown) =>
    gateway.internal(method, `/admin/keys${path}`, { token: BOSS, ...(body === undefined ? {} : { body }) })
  const kidOf = (token: string) => decodeProtectedHeader(token).kid
  const published = async (at = gateway): Promise<string[]> => {
    const jwks = (await (await at.publicApp.request('/.well-known/jwks.json')).json()) as { keys: { kid: string }[] }
    return jwks.keys.map(({ kid }) => kid).sort()
  }
  const states = async (): Promise<string[]> =>
    (await operate('GET', '')).body.data.keys.map(({ state }: { state: string }) => state)
  const login = async (at = gateway) => (await at.login('somebody')).body.data
  const accepted = async (token: string, at = gateway) =>
    (await at.call('GET', '/api/sessions', { token })).status === 200

  test('a rotation publishes the next key now and lets it sign after the publish-ahead', async () => {
    const [first] = await published()
    const reply = await operate('POST', '/rotate')
    expect(reply.body.data.keys).toMatchObject([
      { kid: first, state: 'active', signs_until: expect.any(String) },
      { state: 'pending', signs_until: null },
    ])
    const [, next] = reply.body.data.keys
    expect(await published()).toEqual([first, next.kid].sort())
    expect(kidOf((await login()).token)).toBe(first)
    const old = (await login()).token
    offsetMs = Date.parse(next.activates_at) - Date.now() + 10
    expect(kidOf((await login()).token)).toBe(next.kid)
    expect(await states()).toEqual(['retiring', 'active'])
    expect(await accepted(old)).toBe(true)
  })

  test('a rotation in a hurry signs as soon as is asked and names those who cannot follow', async () => {
    const usual = (await operate('POST', '/rotate', { activate_after_seconds: 90_000 })).body.data
    expect(usual.warnings).toEqual([])
    const hurried = (await operate('POST', '/rotate', { activate_after_seconds: 0 })).body.data
    for (const who of ['AWS', 'Istio', 'Envoy', 'nginx Plus', '.NET', 'other replicas'])
      expect(hurried.warnings.join('\n')).toContain(who)
    const signing = hurried.keys.find((key: { state: string }) => key.state === 'active')
    expect(kidOf((await login()).token)).toBe(signing.kid)
  })

  test('retiring the active key lets the pending one sign, and refuses at once what the old one signed', async () => {
    const { token, refresh_token } = await login()
    const [, pending] = (await operate('POST', '/rotate')).body.data.keys
    const retired = kidOf(token) ?? ''
    const { warnings, keys } = (await operate('POST', `/${retired}/retire`)).body.data
    expect(keys).toMatchObject([{ kid: pending.kid, state: 'active' }])
    for (const who of [
      '.NET JwtBearer: may accept the retired key 12 h',
      'lua-resty-openidc',
      'AWS',
      'Istio',
      'Spring',
      'go-oidc',
    ])
      expect(warnings.join('\n')).toContain(who)
    expect(await published()).toEqual([pending.kid])
    expect(await accepted(token)).toBe(false)
    // The user stays logged in: the refresh token does not depend on the key.
    const renewed = (await gateway.post('/api/refresh', { refresh_token })).body.data
    expect(kidOf(renewed.token)).toBe(pending.kid)
    expect(await accepted(renewed.token)).toBe(true)
  })

  test('retiring the only key makes a new one that signs at once', async () => {
    const { token } = await login()
    await operate('POST', `/${kidOf(token)}/retire`)
    const [left, ...more] = await published()
    expect(more).toEqual([])
    expect(left).not.toBe(kidOf(token))
    expect(kidOf((await login()).token)).toBe(left)
  })

  test('another replica follows by itself: it stops signing with the retired key and publishing it', async () => {
    const other = await gateway.replica()
    const retired = kidOf((await login()).token) ?? ''
    await operate('POST', `/${retired}/retire`)
    await expect.poll(() => published(other), { timeout: 10_000 }).toEqual(await published())
    expect(kidOf((await login(other)).token)).not.toBe(retired)
    await other.close()
  })

  test('parallel rotations on two replicas each make one key', async () => {
    const other = await gateway.replica()
    const rotate = (at: TestGateway) => at.internal('POST', '/admin/keys/rotate', { token: BOSS })
    const replies = await Promise.all([rotate(gateway), rotate(other), rotate(gateway)])
    expect(replies.map(({ status }) => status)).toEqual([200, 200, 200])
    const [row] = await gateway.stores.database.run<{ keys: number; generations: number }>(
      {
        name: 'keys',
        text: 'select count(*)::int as keys, count(distinct generation)::int as generations from signing_keys',
      },
      [],
    )
    expect(row).toEqual({ keys: 4, generations: 4 })
    await other.close()
  })

  test('of forty rotations at once each makes a key or is told to come back, and none is a defect', async () => {
    const replies = await Promise.all(
      Array.from({ length: 40 }, () => gateway.internal('POST', '/admin/keys/rotate', { token: BOSS })),
    )
    expect(['200 00000', '503 B0320']).toEqual(
      expect.arrayContaining([...new Set(replies.map(({ status, body }) => `${status} ${body.code}`))]),
    )
    for (const { status, headers } of replies) if (status === 503) expect(headers.get('retry-after')).toBe('1')
    expect(gateway.logs()).not.toContain('ALERT: defect')
  })

  test('an unknown or retired kid is A0404, and nothing changes', async () => {
    const [first] = await published()
    expect((await operate('POST', '/nobody/retire')).body.code).toBe('A0404')
    await operate('POST', `/${first}/retire`)
    const before = await published()
    expect((await operate('POST', `/${first}/retire`)).body.code).toBe('A0404')
    expect(await published()).toEqual(before)
  })

  test('no reply holds private key material, and each act is audited with its kid', async () => {
    const [first] = await published()
    const replies = [
      await operate('GET', ''),
      await operate('POST', '/rotate'),
      await operate('POST', `/${first}/retire`),
    ]
    expect(JSON.stringify(replies.map(({ body }) => body))).not.toMatch(/"(d|p|q|sealed_private_jwk|sealedPrivateJwk)"/)
    const { items } = (await gateway.internal('GET', '/admin/audit', { token: BOSS })).body.data
    expect(items).toMatchObject([
      { kind: 'key_retired', actor: 'operator:boss', detail: { kid: first } },
      {
        kind: 'key_rotated',
        actor: 'operator:boss',
        detail: { kid: expect.any(String), activates_at: expect.any(String) },
      },
    ])
  })
})
