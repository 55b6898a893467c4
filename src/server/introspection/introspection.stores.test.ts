/** Introspection, revocation and /verify: the standards' forms, and no token of an ended session passes. */
import { createHmac } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { APPID, startTestGateway, type TestGateway } from '../../dev/testing/test-gateway.ts'

const SECRET = 'introspecting-service-0123456789abcdef'
const OPERATOR = 'operator-without-introspect-0123456789'
const NARROW = 'service-of-one-audience-0123456789abcdef'
const ELSEWHERE = 'service-of-another-audience-0123456789ab'

describe('introspection', () => {
  let offsetMs = 0
  let gateway: TestGateway
  beforeAll(async () => {
    gateway = await startTestGateway({
      clock: { now: () => new Date(Date.now() + offsetMs) },
      environment: {
        ADMIN_TOKENS: `orders:introspect+revoke:${SECRET},boss:admin:${OPERATOR},shop:introspect@https://auth.example.com:${NARROW},bank:introspect@https://bank.example:${ELSEWHERE}`,
      },
    })
  })
  afterAll(() => gateway.close())

  const login = async (person: string) => (await gateway.login(person)).body.data
  const send = async (path: string, body: string | URLSearchParams, headers: Record<string, string> = {}) => {
    const reply = await gateway.internalApp.request(path, {
      method: 'POST',
      body: String(body),
      headers: {
        authorization: `Bearer ${SECRET}`,
        'content-type': 'application/x-www-form-urlencoded',
        ...headers,
      },
    })
    return { status: reply.status, headers: reply.headers, body: (await reply.json()) as Record<string, unknown> }
  }
  const introspect = async (token: string, hint?: string) =>
    (await send('/oauth2/introspect', new URLSearchParams({ token, ...(hint ? { token_type_hint: hint } : {}) }))).body
  const verify = (token?: string) =>
    gateway.internalApp.request('/verify', token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } })

  test('an access token of a live session is active and told by its claims', async () => {
    const { token, user_id } = await login('shopper')
    const { body, headers } = await send('/oauth2/introspect', new URLSearchParams({ token }))
    expect(body).toMatchObject({
      active: true,
      token_type: 'Bearer',
      token_use: 'access_token',
      iss: 'https://auth.example.com',
      sub: user_id,
      client_id: APPID,
      aud: 'https://auth.example.com',
      exp: Number(body.iat) + 900,
    })
    expect(headers.get('cache-control')).toBe('no-store')
    expect(headers.get('content-type')).toMatch(/^application\/json/)
  })

  test('a refresh token is active while it can be used, whatever the hint says', async () => {
    const { refresh_token, user_id } = await login('holder')
    for (const hint of [undefined, 'refresh_token', 'access_token', 'unheard_of'])
      expect(await introspect(refresh_token, hint)).toMatchObject({
        active: true,
        sub: user_id,
        token_use: 'refresh_token',
      })
    const { body } = await gateway.post('/api/refresh', { refresh_token })
    offsetMs += 31_000
    // Asking about a spent token is no use of it: the session lives on.
    expect(await introspect(refresh_token)).toEqual({ active: false })
    expect(await introspect(body.data.refresh_token)).toMatchObject({ active: true })
  })

  test('unknown, forged, expired and truncated tokens are inactive, and nothing else is said', async () => {
    const { token, refresh_token } = await login('old')
    const [header, payload, signature = ''] = token.split('.')
    const foreign = `${header}.${payload}.${[...signature].reverse().join('')}`
    for (const bad of ['x', 'a.b.c', foreign, token.slice(0, -2), refresh_token.slice(0, -1), `${refresh_token}A`])
      expect(await introspect(bad)).toEqual({ active: false })
    offsetMs += 901_000
    expect(await introspect(token)).toEqual({ active: false })
  })

  test('no trick with the algorithm, the key or the kind of token makes an access token', async () => {
    const { token } = await login('trickster')
    const [, payload] = token.split('.')
    const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
    const jwks = await (await gateway.publicApp.request('/.well-known/jwks.json')).text()
    const [jwk] = JSON.parse(jwks).keys
    const hmac = (header: object, key: string) => {
      const input = `${encode(header)}.${payload}`
      return `${input}.${createHmac('sha256', key).update(input).digest('base64url')}`
    }
    const statusList = await (await gateway.publicApp.request('/status-lists/0')).text()
    for (const trick of [
      `${encode({ alg: 'none', typ: 'JWT' })}.${payload}.`,
      `${encode({ alg: 'none', kid: jwk.kid, typ: 'JWT' })}.${payload}.`,
      hmac({ alg: 'HS256', kid: jwk.kid, typ: 'JWT' }, JSON.stringify(jwk)),
      hmac({ alg: 'HS256', typ: 'JWT', jwk: { kty: 'oct', k: 'c2VjcmV0' } }, 'secret'),
      statusList,
    ])
      expect(await introspect(trick)).toEqual({ active: false })
    expect(statusList.split('.')).toHaveLength(3)
    expect(await introspect(token)).toMatchObject({ active: true })
  })

  test('after logout neither token is active', async () => {
    const { token, refresh_token } = await login('leaver')
    await gateway.post('/api/logout', { refresh_token })
    expect(await introspect(token)).toEqual({ active: false })
    expect(await introspect(refresh_token)).toEqual({ active: false })
  })

  test.each(['token', 'refresh_token'] as const)(
    'revoking a %s ends its session and is audited by caller',
    async (kind) => {
      const tokens = await login(`revoked by ${kind}`)
      const reply = await send('/oauth2/revoke', new URLSearchParams({ token: tokens[kind] }))
      expect(reply.status).toBe(200)
      expect(await introspect(tokens.token)).toEqual({ active: false })
      expect((await gateway.post('/api/refresh', { refresh_token: tokens.refresh_token })).body.code).toBe('A0230')
      const events = await gateway.internal('GET', `/admin/audit?user_id=${tokens.user_id}&kind=session_ended`, {
        token: OPERATOR,
      })
      expect(events.body.data.items).toMatchObject([{ actor: 'service:orders', detail: { reason: 'revoked' } }])
    },
  )

  test('a service narrowed to an audience is told of its own access tokens alone, and ends no session', async () => {
    const { token, refresh_token } = await login('narrow')
    const ask = (secret: string, one: string, path = '/oauth2/introspect') =>
      send(path, new URLSearchParams({ token: one }), { authorization: `Bearer ${secret}` })
    expect((await ask(NARROW, token)).body).toMatchObject({ active: true, token_use: 'access_token' })
    for (const [secret, one] of [
      [NARROW, refresh_token],
      [ELSEWHERE, token],
      [ELSEWHERE, refresh_token],
    ] as const)
      expect((await ask(secret, one)).body).toEqual({ active: false })
    const refused = await ask(NARROW, token, '/oauth2/revoke')
    expect([refused.status, refused.body]).toEqual([
      403,
      { error: 'insufficient_scope', error_description: 'The service token lacks the scope revoke.' },
    ])
    expect((await introspect(refresh_token)).active).toBe(true)
  })

  test('revoking a token that is not ours, or twice, is 200 as RFC 7009 section 2.2 wants', async () => {
    const { token } = await login('twice')
    for (const each of ['unknown', token, token])
      expect((await send('/oauth2/revoke', new URLSearchParams({ token: each }))).status).toBe(200)
  })

  test.each(['/oauth2/introspect', '/oauth2/revoke'])(
    '%s takes no token without a service token of its scope',
    async (path) => {
      const { token } = await login(`guarded ${path}`)
      const form = new URLSearchParams({ token })
      for (const authorization of ['', `Bearer ${SECRET}x`, `Bearer ${token}`, `Basic ${SECRET}`]) {
        const { status, body, headers } = await send(path, form, { authorization })
        expect([status, body.error]).toEqual([401, 'invalid_token'])
        expect(headers.get('www-authenticate')).toBe('Bearer error="invalid_token"')
      }
      const scoped = await send(path, form, { authorization: `Bearer ${OPERATOR}` })
      expect([scoped.status, scoped.body.error]).toEqual([403, 'insufficient_scope'])
      expect((await introspect(token)).active).toBe(true)
    },
  )

  test('a request of another form is invalid_request', async () => {
    const token = 'a'.repeat(17_000)
    const requests: [string, Record<string, string>][] = [
      ['', {}],
      ['token=', {}],
      ['token=a&token=b', {}],
      ['nothing=1', {}],
      [`token=${token}`, {}],
      ['{"token":"a"}', { 'content-type': 'application/json' }],
    ]
    for (const [body, headers] of requests) {
      const reply = await send('/oauth2/introspect', body, headers)
      expect([reply.status, reply.body.error]).toEqual([400, 'invalid_request'])
      expect(reply.body.error_description).toBeTypeOf('string')
    }
  })

  test('/verify names the user of a live session in headers', async () => {
    const { token, user_id } = await login('proxied')
    const roles = { body: { roles: ['editor', 'admin'] }, token: OPERATOR }
    await gateway.internal('PUT', `/admin/users/${user_id}/roles`, roles)
    const plain = await verify(token)
    expect(plain.status).toBe(200)
    expect(plain.headers.get('x-auth-user-id')).toBe(user_id)
    expect(plain.headers.get('x-auth-client-id')).toBe(APPID)
    expect(plain.headers.get('x-auth-session-id')).toMatch(/^[0-9a-f-]{36}$/)
    expect(plain.headers.get('x-auth-roles')).toBe('admin,editor')
    const renewed = await login('proxied')
    expect((await verify(renewed.token)).headers.get('x-auth-roles')).toBe('admin,editor')
  })

  test('/verify refuses at once what has ended, and everything that is no access token', async () => {
    const { token, refresh_token } = await login('gone')
    await gateway.post('/api/logout', { refresh_token })
    for (const bad of [undefined, token, refresh_token, 'x', SECRET]) {
      const reply = await verify(bad)
      expect(reply.status).toBe(401)
      expect(reply.headers.get('www-authenticate')).toBe('Bearer error="invalid_token"')
      expect(reply.headers.get('x-auth-user-id')).toBeNull()
    }
  })

  describe('a session that nobody ended, and that is over all the same', () => {
    /** Everywhere a token is asked about: the user's own routes, proxies, services by either token, and a refresh. */
    async function askEverywhere({ token, refresh_token }: { token: string; refresh_token: string }) {
      const [own, sessions, proxy, access, refresh, refreshed] = await Promise.all([
        gateway.call('GET', '/api/user', { token }),
        gateway.call('GET', '/api/sessions', { token }),
        verify(token),
        introspect(token),
        introspect(refresh_token),
        gateway.post('/api/refresh', { refresh_token }),
      ])
      return [own.status, sessions.status, proxy.status, access.active, refresh.active, refreshed.status]
    }
    const ofUser = (id: string, text: string) =>
      gateway.stores.database.run({ name: `over ${text.length}`, text }, [id])

    test('is asked about alike: while it lives, all say so', async () => {
      expect(await askEverywhere(await login('lives'))).toEqual([200, 200, 200, true, true, 200])
    })

    test.each<[string, string, number]>([
      ['whose user is suspended', "update users set status = 'suspended' where id = $1", 403],
      ['at its absolute end', "update sessions set expires_at = now() - interval '1 second' where user_id = $1", 401],
      ['at its idle end', "update sessions set idle_expires_at = now() - interval '1 second' where user_id = $1", 401],
      ['that is deleted', 'delete from sessions where user_id = $1', 401],
    ])('%s is refused everywhere at once', async (what, text, status) => {
      offsetMs = 0
      const tokens = await login(what)
      await ofUser(tokens.user_id, text)
      expect(await askEverywhere(tokens)).toEqual([status, status, 401, false, false, status])
    })
  })

  test('/verify refuses a suspended user with 401, which is all that proxies understand', async () => {
    const { token, user_id } = await login('suspended')
    await gateway.internal('POST', `/admin/users/${user_id}/suspend`, { token: OPERATOR })
    expect((await verify(token)).status).toBe(401)
  })

  test('without ADMIN_TOKENS the endpoints are not there; /verify is', async () => {
    const bare = await gateway.replica({ ADMIN_TOKENS: '' })
    for (const [method, path] of [
      ['POST', '/oauth2/introspect'],
      ['POST', '/oauth2/revoke'],
      ['GET', '/admin/keys'],
      ['GET', '/admin/users'],
    ] as const) {
      const reply = await bare.internal(method, path, { token: SECRET })
      expect([reply.status, reply.body.code]).toEqual([404, 'A0404'])
    }
    const { token } = await login('still proxied')
    const reply = await bare.internalApp.request('/verify', { headers: { authorization: `Bearer ${token}` } })
    expect(reply.status).toBe(200)
  })

  test('nothing of this is on the public listener', async () => {
    for (const [method, path] of [
      ['POST', '/oauth2/introspect'],
      ['POST', '/oauth2/revoke'],
      ['GET', '/verify'],
      ['GET', '/admin/users'],
    ] as const) {
      const reply = await gateway.call(method, path, { token: SECRET })
      expect([reply.status, reply.body.code]).toEqual([404, 'A0404'])
    }
  })
})
