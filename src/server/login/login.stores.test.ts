/** Login's guarantees, through HTTP, on the embedded stores and on the real ones. */
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { APPID, startTestGateway, type TestGateway } from '../../dev/testing/test-gateway.ts'

describe('login', () => {
  let gateway: TestGateway
  beforeAll(async () => {
    gateway = await startTestGateway()
  })
  afterAll(() => gateway.close())

  const count = async (table: 'users' | 'platform_identities' | 'sessions') => {
    const rows = await gateway.stores.database.run<{ n: number }>(
      { name: `count_${table}`, text: `select count(*)::int as n from ${table}` },
      [],
    )
    return rows[0]?.n ?? 0
  }

  test('the original client logs in unchanged and reads code, token, user_id and nickname', async () => {
    const code = gateway.simulator.login(APPID, 'original')
    const userinfo = {
      nickName: 'Band',
      avatarUrl: 'https://wx.qlogo.cn/a/132',
      gender: 1,
      city: 'Guangzhou',
      province: 'Guangdong',
      country: 'CN',
      language: 'zh_CN',
    }
    const { status, body, headers } = await gateway.post('/api/login', { code, userinfo })
    expect(status).toBe(200)
    expect(body).toMatchObject({
      code: '00000',
      msg: '授权成功',
      data: { token_type: 'Bearer', expires_in: 900, nickname: 'Band', is_new_user: true },
    })
    expect(body.data.user_id).toMatch(/^[0-9a-f-]{36}$/)
    expect(headers.get('cache-control')).toBe('no-store')
    expect(headers.get('x-request-id')).toBeTruthy()
  })

  test('a service that knows only the published keys verifies the token', async () => {
    const { body } = await gateway.login('verified')
    const jwks = (await (await gateway.publicApp.request('/.well-known/jwks.json')).json()) as JSONWebKeySet
    const { payload, protectedHeader } = await jwtVerify(body.data.token, createLocalJWKSet(jwks), {
      issuer: 'https://auth.example.com',
      audience: 'https://auth.example.com',
      typ: 'JWT',
      algorithms: ['ES256'],
    })
    expect(protectedHeader.kid).toBe(jwks.keys[0]?.kid)
    expect(payload).toMatchObject({ sub: body.data.user_id, client_id: APPID, aud: 'https://auth.example.com' })
    expect(payload.exp).toBe(Number(payload.iat) + 900)
    expect(payload.status).toEqual({
      status_list: { idx: expect.any(Number), uri: 'https://auth.example.com/status-lists/0' },
    })
  })

  test('a person who comes back is the same user and no longer new', async () => {
    const first = await gateway.login('returning')
    const second = await gateway.login('returning')
    expect(second.body.data.user_id).toBe(first.body.data.user_id)
    expect([first.body.data.is_new_user, second.body.data.is_new_user]).toEqual([true, false])
  })

  test('200 parallel first logins of one openid make one user and one identity', async () => {
    const users = await count('users')
    const identities = await count('platform_identities')
    const replies = await Promise.all(Array.from({ length: 200 }, () => gateway.login('crowd')))
    expect(new Set(replies.map((reply) => reply.body.code))).toEqual(new Set(['00000']))
    expect(new Set(replies.map((reply) => reply.body.data.user_id)).size).toBe(1)
    expect(replies.filter((reply) => reply.body.data.is_new_user)).toHaveLength(1)
    expect(await count('users')).toBe(users + 1)
    expect(await count('platform_identities')).toBe(identities + 1)
  })

  test('four simultaneous first logins of each of 60 people on two replicas make 60 users', async () => {
    const other = await gateway.replica()
    // Both are warm: what decides is the database, not who connects first.
    await Promise.all([gateway, other].flatMap((on) => Array.from({ length: 8 }, (_, n) => on.login(`warm ${n}`))))
    const [users, identities] = [await count('users'), await count('platform_identities')]
    const people = Array.from({ length: 60 }, (_, n) => `one of sixty ${n}`)
    const replies = await Promise.all(
      people.flatMap((person) =>
        [gateway, other, gateway, other].map(async (on) => {
          const { body } = await on.login(person)
          return `${person} is ${body.data?.user_id}`
        }),
      ),
    )
    expect(new Set(replies).size).toBe(people.length)
    expect([await count('users'), await count('platform_identities')]).toEqual([users + 60, identities + 60])
  })

  test('50 parallel posts of one code, on two replicas, make one upstream call and one session', async () => {
    const other = await gateway.replica()
    const sessions = await count('sessions')
    const calls = gateway.simulator.calls('/sns/jscode2session')
    const code = gateway.simulator.login(APPID, 'double tap')
    const replies = await Promise.all(
      Array.from({ length: 50 }, (_, index) => (index % 2 ? gateway : other).post('/api/login', { code })),
    )
    expect(replies.map((reply) => reply.body.code)).toEqual(Array(50).fill('00000'))
    expect(gateway.simulator.calls('/sns/jscode2session')).toBe(calls + 1)
    expect(await count('sessions')).toBe(sessions + 1)
    expect(new Set(replies.map((reply) => reply.body.data.refresh_token)).size).toBe(1)
    expect(new Set(replies.map((reply) => reply.body.data.is_new_user))).toEqual(new Set([true]))
  })

  test('a placeholder name or picture never overwrites what a user chose', async () => {
    const real = { nickName: '小明', avatarUrl: 'https://thirdwx.qlogo.cn/mmopen/real/132', gender: 2 }
    await gateway.login('chooser', { userinfo: real })
    const grey =
      'https://thirdwx.qlogo.cn/mmopen/vi_32/POgEwh4mIHO4nibH0KlMECNjjGxQUq24ZEaGT4poC6icRiccVGKSyXwibcPq4BWmiaIGuG1icwxaQX6grC9VemZoJ8rg/132'
    const { body } = await gateway.login('chooser', { userinfo: { nickName: '微信用户', avatarUrl: grey, gender: 0 } })
    expect(body.data.nickname).toBe('小明')
    const [row] = await gateway.stores.database.run<{ avatar: string; sex: string }>(
      { name: 'chooser', text: 'select avatar, sex from users where id = $1' },
      [body.data.user_id],
    )
    expect(row).toEqual({ avatar: real.avatarUrl, sex: 'female' })
  })

  test('the session_key is kept sealed, and nothing answers it', async () => {
    const { body } = await gateway.login('secretive')
    const sessionKey = gateway.simulator.sessionKeyOf(APPID, 'secretive')
    expect(JSON.stringify(body)).not.toContain(sessionKey)
    const openid = gateway.simulator.openidOf(APPID, 'secretive')
    const kept = await gateway.stores.cache.get(`session-key:wechat:${APPID}:${openid}`)
    expect(kept).toMatch(/^v2\.k1\./)
    expect(kept).not.toContain(sessionKey)
  })
})

test('an error code of the platform that nobody knows is one label in the metrics, whatever its number', async () => {
  const gateway = await startTestGateway()
  for (const errcode of [7654321, 7654322]) {
    gateway.simulator.fail({ path: '/sns/jscode2session', errcode, times: 1 })
    expect((await gateway.login('unlucky')).body.code).toBe('C0001')
  }
  const text = await gateway.metrics.registry.metrics()
  expect(text).toContain('gateway_logins_total{platform="wechat",outcome="platform_unknown"} 2')
  expect(text).not.toContain('765432')
  await gateway.close()
})
