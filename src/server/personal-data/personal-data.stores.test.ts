/** Export and erasure, through HTTP, on the embedded stores and on the real ones. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { APP_SECRET, APPID, startTestGateway, type TestGateway } from '../../dev/testing/test-gateway.ts'

import { createProfileStore } from '../profile/store.ts'
import { createPersonalDataStore } from './store.ts'

const SECOND_APP = 'wx0000000000000002'
const EXCHANGE = '/sns/jscode2session'

let gateway: TestGateway
beforeAll(async () => {
  const apps = [APPID, SECOND_APP].map((appid) => ({ appid, secret: APP_SECRET }))
  gateway = await startTestGateway({
    apps: apps.map((app) => ({ ...app, openPlatform: 'acme' })),
    environment: {
      APPS: JSON.stringify(apps.map((app) => ({ platform: 'wechat', ...app, union: 'acme' }))),
      WECHAT_APPID: undefined,
      WECHAT_SECRET: undefined,
    },
  })
})
afterAll(() => gateway.close())

const login = async (person: string, more: Record<string, unknown> = {}) =>
  (await gateway.login(person, { appid: APPID, ...more })).body.data
const freshCode = (person: string, appid = APPID) => gateway.simulator.login(appid, person)
const erase = (token: string, code: string) => gateway.call('DELETE', '/api/user', { token, body: { code } })

const personal = {
  nickname: '小明',
  email: 'ming@example.com',
  birthday: '2000-02-29',
  sex: 'male',
  address: '广州市',
  signature: '你好',
}

/** A user with everything a user can have. */
async function wholeUser(person: string) {
  const first = await login(person, { device: `${person}'s phone` })
  await login(person, { appid: SECOND_APP, device: `${person}'s tablet` })
  const { token } = await login(person, { device: `${person}'s phone` })
  await gateway.call('PATCH', '/api/user', { token, body: personal })
  const phone = gateway.simulator.phoneCode(APPID, person)
  await gateway.call('POST', '/api/user/phone', { token, body: { code: phone } })
  return { userId: first.user_id as string, token: token as string, refreshToken: first.refresh_token as string }
}

const ids = (person: string) => ({
  openids: [APPID, SECOND_APP].map((appid) => gateway.simulator.openidOf(appid, person)),
  unionid: gateway.simulator.unionidOf(APPID, person) ?? '',
})

/** All rows of all tables that name the user. */
async function rowsOf(userId: string): Promise<string> {
  const { kysely } = gateway.stores.database
  const [users, identities, unions, sessions, events] = await Promise.all([
    kysely.selectFrom('users').selectAll().where('id', '=', userId).execute(),
    kysely.selectFrom('platform_identities').selectAll().where('user_id', '=', userId).execute(),
    kysely.selectFrom('union_members').selectAll().where('user_id', '=', userId).execute(),
    kysely.selectFrom('sessions').selectAll().where('user_id', '=', userId).execute(),
    kysely.selectFrom('audit_events').selectAll().where('user_id', '=', userId).execute(),
  ])
  return JSON.stringify({ users, identities, unions, sessions, events })
}

describe('the export', () => {
  test('holds everything that is kept about the user and nothing of anybody else', async () => {
    const { userId, token } = await wholeUser('exporter')
    await wholeUser('bystander')
    const { status, body, headers } = await gateway.call('GET', '/api/user/export', { token })
    expect(status).toBe(200)
    expect(headers.get('cache-control')).toBe('no-store')
    const { profile, identities, unions, sessions, events } = body.data
    const { openids, unionid } = ids('exporter')
    expect(profile).toMatchObject({ user_id: userId, ...personal, phone: expect.stringMatching(/^\+86/), version: 3 })
    expect(identities.map((one: { openid: string }) => one.openid).sort()).toEqual([...openids].sort())
    expect(unions).toEqual([{ union: 'acme', unionid }])
    expect(sessions.map((one: { device: string }) => one.device)).toEqual([
      "exporter's phone",
      "exporter's tablet",
      "exporter's phone",
    ])
    expect(events.map((one: { kind: string }) => one.kind)).toEqual([
      'login',
      'login',
      'login',
      'profile_changed',
      'profile_changed',
    ])
    const text = JSON.stringify(body)
    expect(text).not.toContain('bystander')
    expect(text).not.toContain(gateway.simulator.sessionKeyOf(APPID, 'exporter'))
  })

  test("keeps an operator's name and another user's id to ourselves", async () => {
    const { user_id, token } = await login('subject')
    const detail = JSON.stringify({ union: 'acme', belongs_to: 'another-user-id' })
    await gateway.stores.database.kysely
      .insertInto('audit_events')
      .values({ at: new Date(), kind: 'unionid_conflict', user_id, actor: 'operator:alice', detail })
      .execute()
    const { body } = await gateway.call('GET', '/api/user/export', { token })
    expect(body.data.events.at(-1)).toMatchObject({ actor: 'operator', detail: { union: 'acme' } })
    expect(JSON.stringify(body)).not.toMatch(/alice|another-user-id/)
  })
})

describe('an erasure', () => {
  test('leaves nothing personal in any table, ends every session, drops the session_keys and gives a receipt', async () => {
    const { userId, token, refreshToken } = await wholeUser('leaver')
    const { openids, unionid } = ids('leaver')
    const { status, body } = await erase(token, freshCode('leaver'))
    expect(status).toBe(200)
    expect(body.data).toEqual({
      receipt_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      user_id: userId,
      erased_at: expect.stringMatching(/Z$/),
      sessions_ended: 3,
      kept: [
        { what: 'addresses', why: expect.stringContaining('网络安全法'), until: expect.stringMatching(/Z$/) },
        { what: 'audit', why: expect.any(String), until: expect.stringMatching(/Z$/) },
      ],
    })

    const rows = await rowsOf(userId)
    for (const value of [...Object.values(personal), "leaver's", unionid, ...openids, '+86'].filter(
      (one) => one !== 'male',
    ))
      expect(rows).not.toContain(value)
    expect(rows).toContain(body.data.receipt_id)
    for (const [index, appid] of [APPID, SECOND_APP].entries())
      expect(await gateway.stores.cache.get(`session-key:wechat:${appid}:${openids[index]}`)).toBeUndefined()

    expect((await gateway.call('GET', '/api/user', { token })).body.code).toBe('A0203')
    expect((await gateway.post('/api/refresh', { refresh_token: refreshToken })).body.code).toBe('A0203')
  })

  test('is followed by a new, empty user when the person logs in again', async () => {
    const { userId, token } = await wholeUser('phoenix')
    await erase(token, freshCode('phoenix'))
    const again = await login('phoenix')
    expect(again.user_id).not.toBe(userId)
    expect([again.is_new_user, again.nickname]).toEqual([true, null])
    expect((await login('phoenix', { appid: SECOND_APP })).user_id).toBe(again.user_id)
    // The number is free again.
    const code = gateway.simulator.phoneCode(APPID, 'phoenix')
    expect((await gateway.call('POST', '/api/user/phone', { token: again.token, body: { code } })).status).toBe(200)
  })

  test("with another person's code is refused, and both users stay", async () => {
    const { token } = await login('victim')
    const { token: other } = await login('attacker')
    const reply = await erase(token, freshCode('attacker'))
    expect([reply.status, reply.body.code]).toEqual([403, 'A0312'])
    for (const each of [token, other])
      expect((await gateway.call('GET', '/api/user', { token: each })).status).toBe(200)
  })

  test("with a stranger's code is refused and makes no user of the stranger", async () => {
    const { token } = await login('resident')
    const before = await gateway.stores.database.kysely.selectFrom('users').select('id').execute()
    expect((await erase(token, freshCode('stranger'))).body.code).toBe('A0312')
    expect(await gateway.stores.database.kysely.selectFrom('users').select('id').execute()).toHaveLength(before.length)
  })

  test('with a used code, an invented one, or one of another app is refused, and the user stays', async () => {
    const code = freshCode('careful')
    const { token } = await login('careful', { code })
    for (const bad of [code, 'invented', freshCode('careful', SECOND_APP), 'the code is a mock one']) {
      const reply = await erase(token, bad)
      expect([reply.status, reply.body.code]).toEqual([401, 'A0223'])
    }
    expect((await gateway.call('DELETE', '/api/user', { token, body: {} })).body.fields).toHaveProperty('code')
    expect((await gateway.call('GET', '/api/user', { token })).status).toBe(200)
  })

  test('while the platform is away is refused, and the user stays', async () => {
    const { token } = await login('patient')
    gateway.simulator.fail({ path: EXCHANGE, drop: true, times: 1 })
    const reply = await erase(token, freshCode('patient'))
    expect([reply.status, reply.body.code]).toEqual([502, 'C0001'])
    expect((await gateway.call('GET', '/api/user', { token })).status).toBe(200)
  })

  test('comes by POST with X-HTTP-Method-Override too, since a DELETE may lose its body', async () => {
    const { token } = await login('overrider')
    const headers = { 'x-http-method-override': 'DELETE' }
    const body = { code: freshCode('overrider') }
    expect((await gateway.call('POST', '/api/user', { token, body, headers })).body.data).toHaveProperty('receipt_id')
  })

  test('asked for by ten requests at once happens once', async () => {
    const { token, user_id } = await login('impatient')
    const replies = await Promise.all(Array.from({ length: 10 }, () => erase(token, freshCode('impatient'))))
    expect(replies.filter((reply) => reply.status === 200)).toHaveLength(1)
    const events = await gateway.stores.database.kysely
      .selectFrom('audit_events')
      .select(['actor', 'ip', 'detail'])
      .where('user_id', '=', user_id)
      .where('kind', '=', 'user_erased')
      .execute()
    expect(events).toHaveLength(1)
    expect(events[0]).toEqual({ actor: 'user', ip: null, detail: { receipt_id: expect.any(String) } })
  })

  test('racing changes of the profile leaves none of them behind', async () => {
    const { token, user_id } = await login('racer')
    const change = (index: number) =>
      gateway.call('PATCH', '/api/user', { token, body: { nickname: `trace ${index}` } })
    await Promise.all([
      ...Array.from({ length: 10 }, (_, index) => change(index)),
      erase(token, freshCode('racer')),
      ...Array.from({ length: 10 }, (_, index) => change(index + 10)),
    ])
    expect(await rowsOf(user_id)).not.toContain('trace')
  })

  test('shuts out a request that was let in before it', async () => {
    const { token, user_id: userId } = await login('overtaken')
    const { database } = gateway.stores
    const profiles = createProfileStore(database)
    await erase(token, freshCode('overtaken'))
    const actor = { ip: undefined, requestId: undefined, name: 'user' }
    const set = { nickname: 'trace', exclusive_phone: '+8613800138000', phone: '+8613800138000' }
    const late = { userId, sid: crypto.randomUUID(), set, chosen: [], versions: undefined, actor, at: new Date() }
    expect(await profiles.change(late)).toBeUndefined()
    expect(await profiles.find(userId)).toBeUndefined()
    expect(await createPersonalDataStore(database).find(userId)).toBeUndefined()
    expect(await rowsOf(userId)).not.toContain('trace')
  })
})
