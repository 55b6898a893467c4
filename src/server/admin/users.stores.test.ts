/** The operators' API on users and the audit trail of what was done to them. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { APP_SECRET, APPID, startTestGateway, type TestGateway } from '../../dev/testing/test-gateway.ts'

const BOSS = 'operator-boss-0123456789-0123456789'
const READER = 'introspecting-reader-0123456789-0123'
const ONLOOKER = 'reading-operator-0123456789-01234567'

describe('operators and users', () => {
  let gateway: TestGateway
  beforeAll(async () => {
    gateway = await startTestGateway({
      environment: {
        ADMIN_TOKENS: `boss:admin+introspect:${BOSS},reader:introspect:${READER},onlooker:admin-read:${ONLOOKER}`,
        WECHAT_APPID: undefined,
        WECHAT_SECRET: undefined,
        APPS: JSON.stringify([{ appid: APPID, secret: APP_SECRET, union: 'acme' }]),
      },
      apps: [{ appid: APPID, secret: APP_SECRET, openPlatform: 'acme' }],
    })
  })
  afterAll(() => gateway.close())

  const login = async (person: string, body: Record<string, unknown> = {}) =>
    (await gateway.login(person, body)).body.data
  const operate = (method: string, path: string, body?: unknown) =>
    gateway.internal(method, `/admin/${path}`, { token: BOSS, ...(body === undefined ? {} : { body }) })
  const audit = async (query: string) => (await operate('GET', `audit?${query}`)).body.data
  const rows = <Row>(name: string, text: string, values: unknown[]) =>
    gateway.stores.database.run<Row>({ name, text }, values)
  const refreshCode = async (refresh_token: string) => (await gateway.post('/api/refresh', { refresh_token })).body.code

  test('every route wants a service token with the scope admin; reading, admin-read', async () => {
    const { token, user_id } = await login('target')
    const routes = [
      ['GET', '/admin/users'],
      ['GET', `/admin/users/${user_id}`],
      ['POST', `/admin/users/${user_id}/suspend`],
      ['POST', `/admin/users/${user_id}/reinstate`],
      ['PUT', `/admin/users/${user_id}/roles`],
      ['DELETE', `/admin/users/${user_id}/sessions`],
      ['DELETE', `/admin/users/${user_id}`],
      ['GET', '/admin/keys'],
      ['POST', '/admin/keys/rotate'],
      ['POST', '/admin/keys/any/retire'],
      ['GET', '/admin/audit'],
    ] as const
    for (const [method, path] of routes) {
      for (const headers of [{}, { authorization: `Bearer ${token}` }, { authorization: `Bearer ${BOSS}0` }]) {
        const reply = await gateway.internal(method, path, { headers })
        expect([path, reply.status, reply.body.code]).toEqual([path, 401, 'A0230'])
        // An operator's words, not those for a user whose login has expired.
        expect(reply.body.msg).toContain('ADMIN_TOKENS')
      }
      const scope = method === 'GET' ? 'admin-read' : 'admin'
      for (const token of method === 'GET' ? [READER] : [READER, ONLOOKER]) {
        const scoped = await gateway.internal(method, path, { token, headers: { 'accept-language': 'en' } })
        expect([path, scoped.status, scoped.body.code]).toEqual([path, 403, 'A0312'])
        expect(scoped.body.msg).toBe(`The service token lacks the scope ${scope}.`)
      }
      if (method === 'GET') expect((await gateway.internal(method, path, { token: ONLOOKER })).status).toBe(200)
    }
    expect((await operate('GET', `users/${user_id}`)).body.data).toMatchObject({ status: 'active' })
  })

  test('a user is found by id, openid, phone and the beginning of a nickname, and by nothing else', async () => {
    const { user_id } = await login('found', { userinfo: { nickName: 'Ümläut_Name' } })
    await login('decoy', { userinfo: { nickName: 'ÜmläutXName' } })
    await rows('phone', 'update users set phone = $2 where id = $1', [user_id, '+8613800000001'])
    const openid = gateway.simulator.openidOf(APPID, 'found')
    for (const query of [
      `id=${user_id}`,
      `openid=${openid}`,
      'phone=%2B8613800000001',
      `nickname=${encodeURIComponent('Ümläut_n')}`,
    ]) {
      const { items, next_cursor } = (await operate('GET', `users?${query}`)).body.data
      expect([query, items.map((one: { user_id: string }) => one.user_id), next_cursor]).toEqual([
        query,
        [user_id],
        null,
      ])
    }
    for (const query of ['nickname=%25', 'nickname=name', 'openid=nobody', 'phone=1'])
      expect((await operate('GET', `users?${query}`)).body.data.items).toEqual([])
    expect((await operate('GET', 'users?surprise=1')).body.code).toBe('A0400')
    expect((await operate('GET', 'users?nickname=%00')).body.code).toBe('A0400')
  })

  test('pages of users and of the audit trail hold everything once', async () => {
    for (const person of ['p1', 'p2', 'p3', 'p4', 'p5']) await login(person)
    const walk = async (path: string) => {
      const seen: string[] = []
      let cursor: string | null = ''
      while (cursor !== null) {
        const page: { items: unknown[]; next_cursor: string | null } = (
          await operate('GET', `${path}limit=2${cursor === '' ? '' : `&cursor=${cursor}`}`)
        ).body.data
        seen.push(...page.items.map((item) => JSON.stringify(item)))
        cursor = page.next_cursor
      }
      return seen
    }
    for (const path of ['users?', 'audit?kind=login&']) {
      const seen = await walk(path)
      expect(new Set(seen).size).toBe(seen.length)
      const [{ n } = { n: -1 }] = path.startsWith('users')
        ? await rows<{ n: number }>('n_users', 'select count(*)::int as n from users', [])
        : await rows<{ n: number }>('n_logins', "select count(*)::int as n from audit_events where kind = 'login'", [])
      expect(seen).toHaveLength(n)
    }
    expect((await operate('GET', 'audit?cursor=garbage')).body.fields).toHaveProperty('cursor')
  })

  test('suspending ends every session and refuses login and refresh; reinstating revives no session', async () => {
    const first = await login('trouble')
    const second = await login('trouble')
    const { body } = await operate('POST', `users/${first.user_id}/suspend`)
    expect(body.data).toMatchObject({ status: 'suspended', suspended_at: expect.any(String), sessions: [] })
    expect([await refreshCode(first.refresh_token), await refreshCode(second.refresh_token)]).toEqual([
      'A0202',
      'A0202',
    ])
    expect((await gateway.login('trouble')).body).toMatchObject({ code: 'A0202', data: null })
    const back = await operate('POST', `users/${first.user_id}/reinstate`)
    expect(back.body.data).toMatchObject({ status: 'active', suspended_at: null, sessions: [] })
    expect(await refreshCode(first.refresh_token)).toBe('A0230')
    expect((await login('trouble')).user_id).toBe(first.user_id)
  })

  test('roles are in the next token, after a refresh as after a login, and no longer once they are taken away', async () => {
    const rolesIn = (token: string) => JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()).roles
    const { user_id, token, refresh_token } = await login('worker')
    expect(rolesIn(token)).toBeUndefined()
    await operate('PUT', `users/${user_id}/roles`, { roles: ['editor', 'admin', 'editor'] })
    const renewed = (await gateway.post('/api/refresh', { refresh_token })).body.data
    expect(rolesIn(renewed.token)).toEqual(['admin', 'editor'])
    expect(rolesIn((await login('worker')).token)).toEqual(['admin', 'editor'])
    await operate('PUT', `users/${user_id}/roles`, { roles: [] })
    expect(rolesIn((await login('worker')).token)).toBeUndefined()
    for (const roles of [['a,b'], ['a\r\nX-Auth-User-Id: 1'], [''], 'admin'])
      expect((await operate('PUT', `users/${user_id}/roles`, { roles })).body.code).toBe('A0400')
  })

  test('an operator ends one session or all of a user', async () => {
    const { user_id, refresh_token } = await login('devices')
    const others = [await login('devices'), await login('devices')]
    const { sessions } = (await operate('GET', `users/${user_id}`)).body.data
    expect(sessions).toHaveLength(3)
    const one = await operate('DELETE', `users/${user_id}/sessions/${sessions[2].sid}`)
    expect(one.body.data).toEqual({ ended: 1 })
    expect(await refreshCode(refresh_token)).toBe('A0230')
    expect((await operate('DELETE', `users/${user_id}/sessions/${sessions[2].sid}`)).status).toBe(404)
    expect((await operate('DELETE', `users/${user_id}/sessions`)).body.data).toEqual({ ended: 2 })
    expect(await Promise.all(others.map((each) => refreshCode(each.refresh_token)))).toEqual(['A0230', 'A0230'])
  })

  test('erasing leaves nothing personal in any table, ends every session and makes the person a stranger', async () => {
    const nickName = 'Unforgettable Name'
    const { user_id, refresh_token, token } = await login('forgotten', {
      userinfo: { nickName },
      device: 'Very Own Phone',
    })
    const openid = gateway.simulator.openidOf(APPID, 'forgotten')
    const unionid = gateway.simulator.unionidOf(APPID, 'forgotten') ?? ''
    const personal = ['+8613900000002', 'own@example.com', 'Own Street 1', 'Own Words', '1990-02-03']
    await rows(
      'fill',
      `update users set phone = $2, exclusive_phone = $2, email = $3, address = $4, signature = $5, birthday = $6, sex = 'female',
        roles = '{vip}' where id = $1`,
      [user_id, ...personal],
    )
    const sessionKey = `session-key:wechat:${APPID}:${openid}`
    expect(await gateway.stores.cache.get(sessionKey)).toBeDefined()

    const reply = await operate('DELETE', `users/${user_id}`)
    const receipt = { receipt_id: expect.any(String), erased_at: expect.any(String), sessions_ended: 1 }
    expect(reply.body.data).toEqual({ user_id, ...receipt })
    expect(await refreshCode(refresh_token)).toBe('A0203')
    expect((await gateway.call('GET', '/api/sessions', { token })).body.code).toBe('A0203')
    expect(await gateway.stores.cache.get(sessionKey)).toBeUndefined()

    const everything = await Promise.all(
      ['users', 'platform_identities', 'union_members', 'sessions', 'audit_events'].map((table) =>
        rows(`all_${table}`, `select * from ${table}`, []),
      ),
    )
    for (const word of [nickName, 'Very Own Phone', openid, unionid, ...personal])
      expect(JSON.stringify(everything)).not.toContain(word)
    expect((await operate('GET', `users/${user_id}`)).body.data).toMatchObject({
      status: 'erased',
      roles: [],
      sex: null,
      identities: [],
      sessions: [],
    })

    const again = await login('forgotten')
    expect(again).toMatchObject({ is_new_user: true, nickname: null })
    expect(again.user_id).not.toBe(user_id)
    for (const [method, path] of [
      ['DELETE', ''],
      ['POST', '/suspend'],
      ['POST', '/reinstate'],
    ] as const)
      expect((await operate(method, `users/${user_id}${path}`)).body.code).toBe('A0404')
  })

  test('each act is in the audit trail once: who, what, to whom, by which request', async () => {
    const { user_id } = await login('watched')
    const acts = [
      ['POST', '/suspend', undefined],
      ['POST', '/suspend', undefined],
      ['POST', '/reinstate', undefined],
      ['PUT', '/roles', { roles: ['vip'] }],
      ['DELETE', '', undefined],
    ] as const
    for (const [index, [method, path, body]] of acts.entries()) {
      await gateway.internal(method, `/admin/users/${user_id}${path}`, {
        token: BOSS,
        headers: { 'x-request-id': `request-${index}` },
        ...(body ? { body } : {}),
      })
    }
    const { items } = await audit(`user_id=${user_id}`)
    const told = items.map(({ kind, actor, request_id }: Record<string, string>) => [kind, actor, request_id])
    expect(told.slice(0, 5).sort()).toEqual(
      [
        ['roles_changed', 'operator:boss', 'request-3'],
        ['session_ended', 'operator:boss', 'request-0'],
        ['user_erased', 'operator:boss', 'request-4'],
        ['user_reinstated', 'operator:boss', 'request-2'],
        ['user_suspended', 'operator:boss', 'request-0'],
      ].sort(),
    )
    expect(told.slice(5)).toEqual([['login', 'user', expect.any(String)]])
    expect(items.find((one: { kind: string }) => one.kind === 'roles_changed').detail).toEqual({
      from: [],
      to: ['vip'],
    })
  })

  test('an act whose audit event cannot be written does not happen', async () => {
    const { user_id, refresh_token } = await login('unrecorded')
    await rows(
      'refuse',
      "alter table audit_events add constraint no_acts check (actor <> 'operator:boss') not valid",
      [],
    )
    try {
      expect((await operate('POST', `users/${user_id}/suspend`)).status).toBe(500)
      expect((await operate('DELETE', `users/${user_id}/sessions`)).status).toBe(500)
      expect((await operate('PUT', `users/${user_id}/roles`, { roles: ['x'] })).status).toBe(500)
      expect((await operate('POST', 'keys/rotate')).status).toBe(500)
    } finally {
      await rows('allow', 'alter table audit_events drop constraint no_acts', [])
    }
    expect(await refreshCode(refresh_token)).toBe('00000')
    expect((await operate('GET', `users/${user_id}`)).body.data).toMatchObject({ status: 'active', roles: [] })
    expect((await operate('GET', 'keys')).body.data.keys).toHaveLength(1)
  })

  test('the audit trail is filtered by user, kind and time', async () => {
    const before = new Date()
    const { user_id } = await login('filtered')
    await gateway.login('filtered', { code: 'the code is a mock one' })
    await login('filtered')
    expect((await audit(`user_id=${user_id}&kind=login`)).items).toHaveLength(2)
    expect((await audit(`user_id=${user_id}&kind=user_erased`)).items).toEqual([])
    expect((await audit(`user_id=${user_id}&to=${before.toISOString()}`)).items).toEqual([])
    expect((await audit(`user_id=${user_id}&from=${before.toISOString()}`)).items).toHaveLength(2)
    expect((await operate('GET', 'audit?kind=nonsense')).body.code).toBe('A0400')
  })

  test('refused logins and replayed refresh tokens are in the audit trail', async () => {
    const strict = await gateway.replica({ REFRESH_REUSE_INTERVAL_SECONDS: '0' })
    const { user_id, refresh_token } = await login('replayer')
    let next = refresh_token
    for (let each = 0; each < 2; each += 1)
      next = (await strict.post('/api/refresh', { refresh_token: next })).body.data.refresh_token
    expect((await strict.post('/api/refresh', { refresh_token })).body.code).toBe('A0220')
    expect((await audit(`user_id=${user_id}&kind=refresh_replayed`)).items).toHaveLength(1)
    await gateway.login('refused', { code: 'never-minted' })
    await expect
      .poll(async () => (await audit('kind=login_refused')).items, { timeout: 5000 })
      .toContainEqual(expect.objectContaining({ appid: APPID, detail: { reason: 'platform_40029' } }))
  })

  test('the audit trail refuses to be rewritten', async () => {
    await login('historic')
    await expect(rows('rewrite', "update audit_events set actor = 'nobody'", [])).rejects.toThrow(/append only/)
  })
})
