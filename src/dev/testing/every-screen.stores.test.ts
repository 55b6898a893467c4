/** One person on every screen: hand-off tickets and browsers of other origins, through HTTP on two replicas. */
import { decodeJwt } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createVerifier } from '../../sdk/verifier/verifier.ts'
import { APP_SECRET, APPID, startTestGateway, type TestGateway } from './test-gateway.ts'

const PAGE = 'https://www.example.com'
let gateway: TestGateway
let other: TestGateway
const replicas: TestGateway[] = []
beforeAll(async () => {
  gateway = await startTestGateway({
    environment: {
      CLIENTS: '[{"id":"h5","name":"H5 page","kind":"web","audience":["h5"]},{"id":"pc","name":"PC","kind":"device"}]',
      WEB_ORIGINS: `${PAGE},http://localhost:3000`,
      ACCESS_TOKEN_CLAIMS: 'openid',
    },
  })
  other = await gateway.replica()
})
afterAll(async () => {
  for (const replica of [...replicas, other]) await replica.close()
  await gateway.close()
})

const ticketFor = async (token: string, appid = 'h5') =>
  (await gateway.call('POST', '/api/tickets', { body: { appid }, token })).body.data.ticket as string
const redeem = (on: TestGateway, body: object) => on.post('/api/login', body)

describe('a hand-off ticket', () => {
  test('opens a session of its own for the same user, under the client it was made for, listed with its parent', async () => {
    const { token, user_id } = (await gateway.login('carrier')).body.data
    const reply = await gateway.call('POST', '/api/tickets', { body: { appid: 'h5' }, token })
    expect(reply.headers.get('cache-control')).toBe('no-store')
    expect(reply.body.data).toEqual({ ticket: expect.stringMatching(/^t1\.[\w-]{22}$/), expires_in: 60 })
    const { status, body } = await redeem(other, { ticket: reply.body.data.ticket, device: 'web-view' })
    expect([status, body.data.user_id, body.data.is_new_user]).toEqual([200, user_id, false])
    const claims = decodeJwt(body.data.token)
    expect(claims).toMatchObject({ sub: user_id, aud: 'h5', client_id: 'h5' })
    expect(claims).not.toHaveProperty('openid')
    const parent = decodeJwt<{ sid: string }>(token).sid
    const list = (await gateway.call('GET', '/api/sessions', { token })).body.data
    expect(list).toContainEqual(
      expect.objectContaining({ sid: claims.sid, parent_sid: parent, client_id: 'h5', device: 'web-view' }),
    )
    expect((await gateway.call('GET', '/api/user', { token: body.data.token })).status).toBe(200)
    expect((await gateway.post('/api/refresh', { refresh_token: body.data.refresh_token })).status).toBe(200)
  })

  test('is good once, however many redeem it at once on two replicas', async () => {
    const { token } = (await gateway.login('raced')).body.data
    const ticket = await ticketFor(token)
    const replies = await Promise.all(
      Array.from({ length: 12 }, (_, index) => redeem(index % 2 ? gateway : other, { ticket })),
    )
    expect(replies.filter(({ status }) => status === 200)).toHaveLength(1)
    for (const { status, body } of replies) if (status !== 200) expect([status, body.code]).toEqual([401, 'A0223'])
  })

  test('a made-up one, one for another client, one of a session that ended: A0223, and no session', async () => {
    const { token, refresh_token } = (await gateway.login('careless')).body.data
    expect((await redeem(gateway, { ticket: 't1.AAAAAAAAAAAAAAAAAAAAAA' })).body.code).toBe('A0223')
    expect((await redeem(gateway, { ticket: await ticketFor(token), appid: 'pc' })).body.code).toBe('A0223')
    const late = await ticketFor(token)
    await gateway.post('/api/logout', { refresh_token })
    expect((await redeem(other, { ticket: late })).body.code).toBe('A0223')
  })

  test('an unknown client, a code beside the ticket, neither of them: refused by name', async () => {
    const { token } = (await gateway.login('clumsy')).body.data
    const unknown = await gateway.call('POST', '/api/tickets', { body: { appid: 'nobody' }, token })
    expect([unknown.status, Object.keys(unknown.body.fields ?? {})]).toEqual([400, ['appid']])
    expect((await redeem(gateway, { ticket: 'x', code: 'y' })).body.fields).toHaveProperty('ticket')
    expect((await redeem(gateway, {})).body.fields).toHaveProperty('code')
    expect((await gateway.call('POST', '/api/tickets', { body: { appid: 'h5' } })).status).toBe(401)
  })

  test('its session ends with the one it came from, at offline verifiers too', async () => {
    const { token, refresh_token } = (await gateway.login('leaving')).body.data
    const child = (await redeem(other, { ticket: await ticketFor(token) })).body.data
    const grandchild = (await redeem(gateway, { ticket: await ticketFor(child.token, 'pc') })).body.data
    const verifier = createVerifier({
      issuer: gateway.config.issuer,
      audience: ['h5', gateway.config.issuer],
      fetch: async (url: string | URL | Request) => other.publicApp.request(new URL(String(url)).pathname),
    })
    await verifier.ready()
    await verifier.verify(child.token)
    await gateway.post('/api/logout', { refresh_token })
    for (const { token: dead, refresh_token: spent } of [child, grandchild]) {
      expect((await gateway.call('GET', '/api/user', { token: dead })).status).toBe(401)
      expect((await other.post('/api/refresh', { refresh_token: spent })).body.code).toBe('A0230')
    }
    const { sid } = decodeJwt<{ sid: string }>(child.token)
    const [row] = await gateway.stores.database.run<{ end_reason: string; audited: number }>(
      {
        name: 'child_end',
        text: `select end_reason, (select count(*)::int from audit_events where session_id = s.id and kind = 'session_ended') as audited
          from sessions s where id = $1`,
      },
      [sid],
    )
    expect(row).toEqual({ end_reason: 'parent_ended', audited: 1 })
    verifier.close()
  })
})

describe('a web page', () => {
  const preflight = (origin: string, path = '/api/login', on = gateway.publicApp) =>
    on.request(path, {
      method: 'OPTIONS',
      headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'content-type' },
    })

  test('of a configured origin may call, without credentials, and its preflight is cached', async () => {
    for (const origin of [PAGE, 'http://localhost:3000']) {
      const reply = await preflight(origin)
      expect(reply.headers.get('access-control-allow-origin')).toBe(origin)
      expect(reply.headers.get('access-control-allow-credentials')).toBeNull()
      expect(Number(reply.headers.get('access-control-max-age'))).toBeGreaterThan(0)
    }
    const call = await gateway.publicApp.request('/api/user', { headers: { origin: PAGE } })
    expect(call.headers.get('access-control-allow-origin')).toBe(PAGE)
    expect(call.headers.get('vary')).toContain('Origin')
  })

  test('are told the same whatever the answer is; a phone, which names no origin, passes by all that', async () => {
    const varies = async (path: string, headers: Record<string, string> = {}) =>
      ((await gateway.publicApp.request(path, { headers })).headers.get('vary') ?? '').includes('Origin')
    const paths = ['/api/user', '/api/nothing/here', '/oauth2/token']
    expect(await Promise.all(paths.map((path) => varies(path, { origin: PAGE })))).toEqual(paths.map(() => true))
    expect(await Promise.all(paths.map((path) => varies(path)))).toEqual(paths.map(() => false))
    const lost = await gateway.publicApp.request('/api/nothing/here', { headers: { origin: PAGE } })
    expect([lost.status, lost.headers.get('access-control-allow-origin')]).toEqual([404, PAGE])
  })

  test.each(['https://www.example.com.evil.example', 'https://example.com', 'http://www.example.com', 'null'])(
    'of another origin (%s) may not',
    async (origin) => {
      expect((await preflight(origin)).headers.get('access-control-allow-origin')).toBeNull()
      const call = await gateway.publicApp.request('/api/user', { headers: { origin } })
      expect(call.headers.get('access-control-allow-origin')).toBeNull()
    },
  )

  test('gets nothing from the internal listener', async () => {
    const reply = await preflight(PAGE, '/verify', gateway.internalApp)
    expect(reply.headers.get('access-control-allow-origin')).toBeNull()
  })

  test('and without WEB_ORIGINS no page may', async () => {
    const closed = await gateway.replica({
      WEB_ORIGINS: '' as never,
      APPS: '' as never,
      WECHAT_SECRET: APP_SECRET,
      WECHAT_APPID: APPID,
    })
    expect(
      (await preflight(PAGE, '/api/login', closed.publicApp)).headers.get('access-control-allow-origin'),
    ).toBeNull()
    replicas.push(closed)
  })
})
