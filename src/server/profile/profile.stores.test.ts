/** The profile's guarantees, through HTTP, on the embedded stores and on the real ones. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { APPID, startTestGateway, type TestGateway } from '../../dev/testing/test-gateway.ts'

let gateway: TestGateway
beforeAll(async () => {
  gateway = await startTestGateway({ environment: { TEXT_CHECK: 'on' } })
})
afterAll(() => gateway.close())

const tokenOf = async (person: string, on = gateway): Promise<string> => (await on.login(person)).body.data.token
const read = (token: string) => gateway.call('GET', '/api/user', { token })
const patch = (token: string, body: unknown, headers: Record<string, string> = {}, on = gateway) =>
  on.call('PATCH', '/api/user', { token, body, headers })

const whole = {
  nickname: '小明',
  email: 'ming@example.com',
  birthday: '2000-02-29',
  sex: 'male',
  address: '广州市天河区',
  signature: '你好',
}

describe('the profile', () => {
  test('starts empty but for what the login brought, and invents no birthday and no sex', async () => {
    const { status, body, headers } = await read(await tokenOf('newcomer'))
    expect(status).toBe(200)
    expect(body.data).toEqual({
      user_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      nickname: null,
      avatar: null,
      email: null,
      phone: null,
      birthday: null,
      sex: null,
      address: null,
      signature: null,
      roles: [],
      created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
      last_login_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
    })
    expect(headers.get('cache-control')).toBe('no-store')
    expect(headers.get('etag')).toBe('"1"')
  })

  test('needs an access token', async () => {
    for (const reply of [
      await gateway.call('GET', '/api/user'),
      await gateway.call('PATCH', '/api/user', { body: {} }),
      await gateway.call('POST', '/api/user/phone', { body: { code: 'x' } }),
    ]) {
      expect([reply.status, reply.body.code]).toEqual([401, 'A0230'])
      expect(reply.headers.get('www-authenticate')).toBe('Bearer error="invalid_token"')
    }
  })

  test('takes every field, keeps what a change leaves out, and clears by null and by an emptied text', async () => {
    const token = await tokenOf('editor')
    expect((await patch(token, whole)).body.data).toMatchObject(whole)
    const { body } = await patch(token, { address: null, signature: '  ', nickname: '  小红 ' })
    expect(body.data).toMatchObject({ ...whole, nickname: '小红', address: null, signature: null })
    expect((await read(token)).body.data).toEqual(body.data)
  })

  test('is changed by POST with X-HTTP-Method-Override too, since wx.request knows no PATCH', async () => {
    const token = await tokenOf('override')
    const headers = { 'x-http-method-override': 'PATCH' }
    const reply = await gateway.call('POST', '/api/user', { token, body: { nickname: 'over' }, headers })
    expect(reply.body.data.nickname).toBe('over')
    expect((await gateway.call('POST', '/api/user', { token, body: { nickname: 'plain' } })).status).toBe(404)
  })

  test.each([
    [{ nickname: 'x'.repeat(51) }, 'nickname'],
    [{ nickname: '😀'.repeat(51) }, 'nickname'],
    [{ address: 'x'.repeat(551) }, 'address'],
    [{ signature: 'x'.repeat(551) }, 'signature'],
    [{ nickname: 5 }, 'nickname'],
    [{ email: 'nobody' }, 'email'],
    [{ email: `${'x'.repeat(250)}@example.com` }, 'email'],
    [{ birthday: '2001-02-29' }, 'birthday'],
    [{ birthday: '2001-2-9' }, 'birthday'],
    [{ birthday: '1899-12-31' }, 'birthday'],
    [{ birthday: '2999-01-01' }, 'birthday'],
    [{ birthday: '2000-01-01T00:00:00Z' }, 'birthday'],
    [{ sex: 'unknown' }, 'sex'],
    [{ nickname: 'a\u0000b' }, 'nickname'],
    [{ signature: '\ud800' }, 'signature'],
    [{ phone: '+8613800138000' }, 'phone'],
    [{ user_id: 'me' }, 'user_id'],
    [{ roles: ['admin'] }, 'roles'],
    [{ version: 1 }, 'version'],
  ])('refuses %j and names the field', async (body, field) => {
    const token = await tokenOf('refused')
    // As a client would write it: escapes, since the raw character could not be sent.
    const text = JSON.stringify(body)
    const reply = await patch(token, text)
    expect([reply.status, reply.body.code]).toEqual([400, 'A0400'])
    expect(Object.keys(reply.body.fields ?? {})).toEqual([field])
    expect((await read(token)).headers.get('etag')).toBe('"1"')
  })

  test('counts characters, so that 50 emoji make a nickname', async () => {
    const token = await tokenOf('emoji')
    expect((await patch(token, { nickname: '😀'.repeat(50) })).body.data.nickname).toBe('😀'.repeat(50))
  })

  test('what the user chose here, clearing included, is never overwritten by what a login brings', async () => {
    const token = await tokenOf('chooser')
    await patch(token, { nickname: 'mine', sex: null })
    const userinfo = { nickName: 'theirs', gender: 1, avatarUrl: 'https://thirdwx.qlogo.cn/mmopen/a/132' }
    expect((await gateway.login('chooser', { userinfo })).body.data.nickname).toBe('mine')
    expect((await read(token)).body.data).toMatchObject({ nickname: 'mine', sex: null, avatar: userinfo.avatarUrl })
  })

  test('every change is audited with the names of the fields and not one of their values', async () => {
    const token = await tokenOf('audited')
    const { body } = await patch(token, whole)
    const rows = await gateway.stores.database.kysely
      .selectFrom('audit_events')
      .selectAll()
      .where('user_id', '=', body.data.user_id)
      .where('kind', '=', 'profile_changed')
      .execute()
    expect(rows).toHaveLength(1)
    expect(rows[0]).toMatchObject({ actor: 'user', detail: { fields: Object.keys(whole) } })
    expect(rows[0]?.session_id).toMatch(/^[0-9a-f-]{36}$/)
    for (const value of ['小明', 'ming@', '2000-02-29', '天河']) {
      expect(JSON.stringify(rows)).not.toContain(value)
      expect(gateway.logs()).not.toContain(value)
    }
  })

  test('a burst of changes leaves a row for each field in the audit trail, and another session or address its own', async () => {
    const token = await tokenOf('restless')
    for (let n = 0; n < 20; n += 1) await patch(token, { nickname: `n${n}`, ...(n % 2 ? { sex: 'male' } : {}) })
    const parallel = Array.from({ length: 30 }, (_, n) => patch(token, { nickname: `p${n}` }))
    const userId = (await Promise.all(parallel))[0]?.body.data.user_id
    const fieldsOf = async () => {
      const { kysely } = gateway.stores.database
      const query = kysely.selectFrom('audit_events').select('detail').where('kind', '=', 'profile_changed')
      return (await query.where('user_id', '=', userId).orderBy('id').execute()).map(({ detail }) => detail?.fields)
    }
    expect(await fieldsOf()).toEqual([['nickname'], ['sex']])
    await patch(await tokenOf('restless'), { nickname: 'from another session' })
    await patch(token, { nickname: 'and', address: 'another field' })
    expect(await fieldsOf()).toEqual([['nickname'], ['sex'], ['nickname'], ['address']])
  })
})

describe('If-Match', () => {
  test('lets a change through at the version that was read, and refuses it once the profile moved on', async () => {
    const token = await tokenOf('matcher')
    const seen = (await read(token)).headers.get('etag') ?? ''
    const first = await patch(token, { nickname: 'first' }, { 'if-match': seen })
    expect(first.status).toBe(200)
    expect(first.headers.get('etag')).not.toBe(seen)
    const second = await patch(token, { nickname: 'second' }, { 'if-match': seen })
    expect([second.status, second.body.code]).toEqual([412, 'A0505'])
    expect((await read(token)).body.data.nickname).toBe('first')
  })

  test.each([
    ['*', 200],
    ['"1"', 200],
    ['"7", "1"', 200],
    ['W/"1"', 200],
    ['"0"', 412],
    ['"99999999999999999999"', 412],
    ['1', 412],
    ['"x"', 412],
  ])('%s on version 1 answers %i, with fields and without', async (ifMatch, status) => {
    const token = await tokenOf(`if-match ${ifMatch}`)
    expect((await patch(token, {}, { 'if-match': ifMatch })).status).toBe(status)
    expect((await patch(token, { nickname: 'n' }, { 'if-match': ifMatch })).status).toBe(status)
  })

  test('of 20 parallel changes to one version, on two replicas, one wins', async () => {
    const other = await gateway.replica()
    const token = await tokenOf('racer')
    const replies = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        patch(token, { nickname: `n${index}` }, { 'if-match': '"1"' }, index % 2 ? gateway : other),
      ),
    )
    const winners = replies.filter((reply) => reply.status === 200)
    expect(winners).toHaveLength(1)
    expect(replies.filter((reply) => reply.body.code === 'A0505')).toHaveLength(19)
    expect((await read(token)).body.data.nickname).toBe(winners[0]?.body.data.nickname)
    expect((await read(token)).headers.get('etag')).toBe('"2"')
  })

  test('without it, parallel changes of different fields all last', async () => {
    const token = await tokenOf('parallel')
    await Promise.all(Object.entries(whole).map(([name, value]) => patch(token, { [name]: value })))
    expect((await read(token)).body.data).toMatchObject(whole)
    expect((await read(token)).headers.get('etag')).toBe('"7"')
  })
})

describe('the text check', () => {
  test.each(['nickname', 'address', 'signature'])(
    'refuses a risky %s, and nothing of the change is kept',
    async (field) => {
      const token = await tokenOf('risky')
      const reply = await patch(token, { email: 'kept@example.com', [field]: 'so [risky]' })
      expect([reply.status, reply.body.code]).toEqual([400, 'A0430'])
      expect((await read(token)).body.data.email).toBeNull()
    },
  )

  test('asks as a profile, about this person, and takes what only a human could judge', async () => {
    const token = await tokenOf('reviewed')
    expect((await patch(token, { nickname: 'hm [review]' })).status).toBe(200)
    const { body } = gateway.simulator.lastRequest('/wxa/msg_sec_check') ?? { body: '{}' }
    expect(JSON.parse(body)).toEqual({
      version: 2,
      scene: 1,
      openid: gateway.simulator.openidOf(APPID, 'reviewed'),
      content: 'hm [review]',
    })
  })

  test('is not asked about what holds no text', async () => {
    const token = await tokenOf('textless')
    const calls = gateway.simulator.calls('/wxa/msg_sec_check')
    await patch(token, { sex: 'female', nickname: null, birthday: '2000-01-01' })
    expect(gateway.simulator.calls('/wxa/msg_sec_check')).toBe(calls)
  })

  const outages = [
    { drop: true },
    { httpStatus: 500 },
    { body: '<html>' },
    { errcode: -1 },
    { errcode: 45009 },
    { errcode: 48001 },
  ]

  test.each(outages)('that answers %j lets the change through where that was chosen', async (fault) => {
    const token = await tokenOf('unchecked')
    gateway.simulator.fail({ path: '/wxa/msg_sec_check', ...fault })
    const reply = await patch(token, { nickname: 'so [risky]' })
    gateway.simulator.clearFaults()
    expect(reply.status).toBe(200)
    expect(gateway.logs()).toContain('a text was taken unchecked')
  })

  test.each(outages)('that answers %j refuses the change where that was chosen', async (fault) => {
    const strict = await gateway.replica({ TEXT_CHECK_UNAVAILABLE: 'refuse' })
    const token = await tokenOf('strict')
    gateway.simulator.fail({ path: '/wxa/msg_sec_check', ...fault })
    const reply = await patch(token, { nickname: 'harmless' }, {}, strict)
    gateway.simulator.clearFaults()
    expect(reply.status).toBeGreaterThanOrEqual(429)
    expect(reply.body.code).toMatch(/^C0/)
    expect((await read(token)).body.data.nickname).toBeNull()
  })

  test('cannot be got around by waiting until the platform no longer knows the person', async () => {
    const token = await tokenOf('idler')
    gateway.simulator.fail({ path: '/wxa/msg_sec_check', errcode: 61010, times: 1 })
    const reply = await patch(token, { nickname: 'so [risky]' })
    expect([reply.status, reply.body.code]).toEqual([409, 'A0240'])
  })

  test('that is off is not asked at all', async () => {
    const lax = await gateway.replica({ TEXT_CHECK: 'off' })
    const calls = gateway.simulator.calls('/wxa/msg_sec_check')
    expect((await patch(await tokenOf('lax'), { nickname: 'so [risky]' }, {}, lax)).status).toBe(200)
    expect(gateway.simulator.calls('/wxa/msg_sec_check')).toBe(calls)
  })
})
