/** What operators search by, each filter backed by an index, and the words of a second suspension. */
import { CompiledQuery, Kysely, PostgresDialect } from 'kysely'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { APP_SECRET, APPID, startTestGateway, type TestGateway } from '../../dev/testing/test-gateway.ts'
import type { Schema } from '../storage/schema.ts'
import { createAuditStore } from './audit-store.ts'
import { createAdminStore } from './store.ts'

const BOSS = 'operator-boss-0123456789-0123456789'
const DEPUTY = 'operator-deputy-0123456789-0123456789'

let gateway: TestGateway
beforeAll(async () => {
  gateway = await startTestGateway({
    environment: { ADMIN_TOKENS: `boss:admin:${BOSS},deputy:admin:${DEPUTY}` },
    apps: [{ appid: APPID, secret: APP_SECRET, openPlatform: 'acme' }],
  })
})
afterAll(() => gateway.close())

const login = async (person: string) => (await gateway.login(person)).body.data
const operate = (method: string, path: string, body?: unknown, more: { token?: string; english?: true } = {}) =>
  gateway.internal(method, `/admin/${path}`, {
    token: more.token ?? BOSS,
    ...(more.english ? { headers: { 'accept-language': 'en' } } : {}),
    ...(body === undefined ? {} : { body }),
  })
const idsOf = async (query: string) =>
  (await operate('GET', `users?${query}`)).body.data.items.map((one: { user_id: string }) => one.user_id)
const audit = async (query: string) => (await operate('GET', `audit?${query}`)).body.data.items
const rows = <Row>(name: string, text: string, values: unknown[]) =>
  gateway.stores.database.run<Row>({ name, text }, values)

describe('suspending', () => {
  test('with a reason keeps it on the user and in the audit trail, with who it was, until the user is reinstated', async () => {
    const { user_id } = await login('reasoned')
    const done = await operate('POST', `users/${user_id}/suspend`, { reason: ' 刷单，工单 4711 ' })
    expect(done.body.data).toMatchObject({
      changed: true,
      status: 'suspended',
      suspend_reason: '刷单，工单 4711',
      suspended_by: 'operator:boss',
    })
    expect((await audit(`user_id=${user_id}&kind=user_suspended`))[0]).toMatchObject({
      actor: 'operator:boss',
      detail: { reason: '刷单，工单 4711' },
    })
    const back = await operate('POST', `users/${user_id}/reinstate`, { reason: 'appeal' })
    expect(back.body.data).toMatchObject({ changed: true, suspend_reason: null, suspended_by: null })
    expect((await audit(`user_id=${user_id}&kind=user_reinstated`))[0]).toMatchObject({ detail: { reason: 'appeal' } })
  })

  test('twice says so, and keeps who did it first and why; reinstating twice likewise', async () => {
    const { user_id } = await login('twice')
    await operate('POST', `users/${user_id}/suspend`, { reason: 'first' })
    const again = await operate('POST', `users/${user_id}/suspend`, { reason: 'second' }, { token: DEPUTY })
    expect(again.body).toMatchObject({
      code: '00000',
      msg: '用户早已停用，未作更改',
      data: { changed: false, suspend_reason: 'first', suspended_by: 'operator:boss' },
    })
    const english = await operate('POST', `users/${user_id}/suspend`, undefined, { english: true })
    expect(english.body.msg).toBe('The user was suspended before; nothing was changed.')
    await operate('POST', `users/${user_id}/reinstate`)
    const back = await operate('POST', `users/${user_id}/reinstate`, undefined, { english: true })
    expect(back.body).toMatchObject({
      msg: 'The user is not suspended; nothing was changed.',
      data: { changed: false },
    })
    expect(await audit(`user_id=${user_id}&kind=user_suspended`)).toHaveLength(1)
  })

  test('two operators at once: one of them changed it, the other is told so', async () => {
    const { user_id } = await login('raced')
    const both = await Promise.all(
      [BOSS, DEPUTY].map((token) => operate('POST', `users/${user_id}/suspend`, { reason: token }, { token })),
    )
    expect(both.map(({ body }) => body.data.changed).sort()).toEqual([false, true])
    expect(await audit(`user_id=${user_id}&kind=user_suspended`)).toHaveLength(1)
  })

  test('with an unknown member, an empty or an endless reason is refused and changes nothing', async () => {
    const { user_id } = await login('refused')
    for (const [body, field] of [
      [{ reasons: 'x' }, 'reasons'],
      [{ reason: '' }, 'reason'],
      [{ reason: 'x'.repeat(201) }, 'reason'],
      [{ reason: 7 }, 'reason'],
    ] as const) {
      const reply = await operate('POST', `users/${user_id}/suspend`, body)
      expect([reply.body.code, Object.keys(reply.body.fields ?? {})]).toEqual(['A0400', [field]])
    }
    expect((await operate('GET', `users/${user_id}`)).body.data).toMatchObject({ status: 'active' })
  })

  test('an erasure takes the reason off the user', async () => {
    const { user_id } = await login('erased')
    await operate('POST', `users/${user_id}/suspend`, { reason: 'gone soon' })
    await operate('DELETE', `users/${user_id}`)
    expect(await rows('left', 'select suspend_reason, suspended_by from users where id = $1', [user_id])).toEqual([
      { suspend_reason: null, suspended_by: null },
    ])
  })
})

describe('a search', () => {
  test('finds users by status, unionid, external id and address', async () => {
    const { user_id } = await login('sought')
    const other = await login('other')
    await operate('PUT', `users/${user_id}/external-id`, { external_id: 'crm-1' })
    await operate('POST', `users/${user_id}/suspend`)
    const [{ id: event } = { id: 0 }] = await rows<{ id: number }>(
      'event_of',
      "insert into audit_events (at, kind, user_id, ip, actor) values (now(), 'login', $1, '2001:db8::7', 'user') returning id",
      [user_id],
    )
    expect(event).toBeGreaterThan(0)
    const unionid = gateway.simulator.unionidOf(APPID, 'sought') ?? ''
    for (const query of [`unionid=${unionid}`, 'external_id=crm-1', 'ip=2001:DB8:0:0:0:0:0:7'])
      expect([query, await idsOf(query)]).toEqual([query, [user_id]])
    expect(await idsOf('status=suspended')).toContain(user_id)
    expect(await idsOf('status=suspended')).not.toContain(other.user_id)
    expect(await idsOf('status=active')).toContain(other.user_id)
    expect(await idsOf(`status=active&unionid=${unionid}`)).toEqual([])
    for (const query of ['status=gone', 'ip=nowhere', 'unionid=']) {
      const { body } = await operate('GET', `users?${query}`)
      expect([query, body.code]).toEqual([query, 'A0400'])
    }
  })

  test('finds audit events by actor, address and session, also of a session that was deleted since', async () => {
    const { user_id } = await login('traced')
    await operate('PUT', `users/${user_id}/roles`, { roles: ['vip'] }, { token: DEPUTY })
    const [{ sid }] = (await operate('GET', `users/${user_id}`)).body.data.sessions
    await rows('ip', "insert into audit_events (at, kind, ip, actor) values (now(), 'login', '192.0.2.9', 'user')", [])
    expect(await audit('actor=operator:deputy&kind=roles_changed')).toMatchObject([
      { user_id, detail: { to: ['vip'] } },
    ])
    expect(await audit('actor=operator:nobody')).toEqual([])
    expect(await audit('ip=192.0.2.9')).toMatchObject([{ kind: 'login', ip: '192.0.2.9' }])
    expect(await audit(`session_id=${sid}`)).toMatchObject([{ kind: 'login', session_id: sid, user_id }])
    await operate('DELETE', `users/${user_id}/sessions/${sid}`)
    await rows('forget', 'delete from sessions where id = $1', [sid])
    const kinds = (await audit(`session_id=${sid}`)).map((one: { kind: string }) => one.kind)
    expect(kinds.sort()).toEqual(['login', 'session_ended'])
    expect(await audit('session_id=00000000-0000-7000-8000-000000000000')).toEqual([])
    expect((await operate('GET', 'audit?ip=300.1.1.1')).body.fields).toHaveProperty('ip')
  })

  test('counts users by status and live sessions, and says that it counted', async () => {
    const before = (await operate('GET', 'counts')).body.data
    const { user_id } = await login('counted')
    await login('counted')
    await operate('POST', `users/${(await login('counted too')).user_id}/suspend`)
    const after = (await operate('GET', 'counts')).body.data
    expect(after.users.active).toEqual({ count: before.users.active.count + 1, estimated: false })
    expect(after.users.suspended).toEqual({ count: before.users.suspended.count + 1, estimated: false })
    expect(after.live_sessions).toEqual({ count: before.live_sessions.count + 2, estimated: false })
    await operate('DELETE', `users/${user_id}/sessions`)
    expect((await operate('GET', 'counts')).body.data.live_sessions.count).toBe(before.live_sessions.count)
  })

  test('health tells stores, clocks, platforms and jobs of the replica that answers', async () => {
    await login('healthy')
    const { body } = await operate('GET', 'health')
    expect(body.data).toMatchObject({
      stores: { postgres: 'up', redis: 'up' },
      clock: { problem: null, ahead_seconds: expect.any(Number) },
      platforms: [{ platform: 'wechat', held_back: false }],
    })
    expect(body.data.platforms[0].calls).toBeGreaterThan(0)
  })
})

test.runIf(inject('stores') === 'real')('every filter is backed by an index', async () => {
  const told: CompiledQuery[] = []
  const kysely = new Kysely<Schema>({
    dialect: new PostgresDialect({
      pool: new pg.Pool({ connectionString: gateway.stores.databaseUrl, max: 1, options: '-c enable_seqscan=off' }),
    }),
    log: ({ query }) => void told.push(query),
  })
  const planOf = async (search: () => Promise<unknown>): Promise<string> => {
    told.length = 0
    await search()
    const query = told.at(-1)
    if (!query) throw new Error('nothing was asked')
    const explained = await kysely.executeQuery(CompiledQuery.raw(`explain ${query.sql}`, [...query.parameters]))
    return JSON.stringify(explained.rows)
  }
  const users = createAdminStore({ kysely })
  const trail = createAuditStore({ kysely })
  const at = new Date()
  try {
    // Enough of what is common, so that the planner has something to avoid.
    await kysely.executeQuery(
      CompiledQuery.raw(
        `insert into audit_events (at, kind, user_id, ip, actor)
         select now() - n * interval '1 second', 'login', gen_random_uuid(), '198.51.100.' || n % 250, 'user' from generate_series(1, 20000) n`,
      ),
    )
    await kysely.executeQuery(CompiledQuery.raw('analyze'))
    const searches: [string, RegExp, () => Promise<unknown>][] = [
      ['status', /users_not_active/, () => users.searchUsers({ status: 'suspended', limit: 51 })],
      ['unionid', /platform_identities_unionid/, () => users.searchUsers({ unionid: 'x', limit: 51 })],
      ['external id', /users_external_id/, () => users.searchUsers({ external_id: 'x', limit: 51 })],
      ['address of a user', /_ip/, () => users.searchUsers({ ip: '192.0.2.1', limit: 51 })],
      ['actor', /_actor/, () => trail.searchAudit({ actor: 'operator:boss', limit: 51 })],
      ['address', /_ip/, () => trail.searchAudit({ ip: '192.0.2.1', limit: 51 })],
      ['rare kind', /_kind/, () => trail.searchAudit({ kind: 'user_erased', limit: 51 })],
      ['user', /user_id_at/, () => trail.searchAudit({ user_id: '00000000-0000-7000-8000-000000000000', limit: 51 })],
      ['time', /pkey/, () => trail.searchAudit({ from: new Date(at.getTime() - 1000), to: at, limit: 51 })],
    ]
    for (const [what, index, search] of searches)
      expect([what, await planOf(search)]).toEqual([what, expect.stringMatching(index)])
  } finally {
    await kysely.destroy()
  }
})
