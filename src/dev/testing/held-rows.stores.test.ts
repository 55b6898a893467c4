/** A row that somebody holds in psql delays those who need that row, and nobody else. */
import pg from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest'
import { APP_SECRET, APPID, startTestGateway, type TestGateway } from './test-gateway.ts'

const BOSS = 'operator-boss-0123456789-0123456789'
/** Others notice nothing: far below what anybody waits who needs the held row, or twice what a crowd takes on this machine now. */
const SOON_MS = 600
/** The time limit of a statement; a refusal comes before it. */
const QUERY_LIMIT_MS = 4000

type Reply = Awaited<ReturnType<TestGateway['call']>>
const timed = async (call: () => Promise<Reply>) => {
  const began = performance.now()
  const { status, body } = await call()
  return { status, code: body.code, body, ms: performance.now() - began }
}

describe.runIf(inject('stores') === 'real')('rows held by an idle transaction', () => {
  let gateway: TestGateway
  let psql: pg.Client
  beforeAll(async () => {
    gateway = await startTestGateway({
      environment: { ADMIN_TOKENS: `boss:admin:${BOSS}`, RATE_LIMIT: 'off' },
      apps: [{ appid: APPID, secret: APP_SECRET, openPlatform: 'acme' }],
    })
    psql = new pg.Client({ connectionString: gateway.stores.databaseUrl })
    await psql.connect()
  })
  afterAll(async () => {
    await psql?.end()
    await gateway?.close()
  })
  let soonMs = SOON_MS
  beforeEach(async () => {
    await psql.query('rollback')
    const logIn = () => Promise.all(people('crowd', 40).map((name) => timed(() => gateway.login(name))))
    // The first are new and warm it up.
    await logIn()
    soonMs = Math.max(SOON_MS, 2 * Math.max(...(await logIn()).map(({ ms }) => ms)))
  })

  const hold = async (text: string, values: unknown[]) => {
    await psql.query('begin')
    await psql.query(text, values)
  }
  const holdUsers = (ids: string[]) => hold('select 1 from users where id = any($1::uuid[]) for update', [ids])
  const holdSessions = (userIds: string[]) =>
    hold('select 1 from sessions where user_id = any($1::uuid[]) for update', [userIds])
  const login = async (person: string) => (await gateway.login(person)).body.data
  const people = (prefix: string, count: number) => Array.from({ length: count }, (_, index) => `${prefix} ${index}`)

  test('other refreshes are as quick as ever, and the held ones get their answer when the row is free', async () => {
    const sessions = await Promise.all(people('refresh', 40).map(login))
    await holdSessions(sessions.slice(0, 2).map((one) => one.user_id))
    let released = false
    const held = sessions.slice(0, 2).map((one) =>
      timed(() => gateway.post('/api/refresh', { refresh_token: one.refresh_token })).then((reply) => {
        expect(released).toBe(true)
        return reply
      }),
    )
    for (let turn = 0; turn < 3; turn += 1) {
      const others = await Promise.all(
        sessions.slice(2).map((one) =>
          timed(() => gateway.post('/api/refresh', { refresh_token: one.refresh_token })).then((reply) => {
            one.refresh_token = reply.body.data?.refresh_token
            return reply
          }),
        ),
      )
      expect(new Set(others.map((one) => one.code))).toEqual(new Set(['00000']))
      expect(Math.max(...others.map((one) => one.ms))).toBeLessThan(soonMs)
    }
    released = true
    await psql.query('commit')
    expect((await Promise.all(held)).map((one) => one.code)).toEqual(['00000', '00000'])
  })

  test('other logins are as quick as ever while the rows of two users are held', async () => {
    const names = people('login', 30)
    const known = await Promise.all(names.map(login))
    await holdUsers(known.slice(0, 2).map((one) => one.user_id))
    const held = names.slice(0, 2).map((name) => timed(() => gateway.login(name)))
    for (let turn = 0; turn < 3; turn += 1) {
      const others = await Promise.all(
        [...names.slice(2), ...people(`new ${turn}`, 10)].map((name) => timed(() => gateway.login(name))),
      )
      expect(new Set(others.map((one) => one.code))).toEqual(new Set(['00000']))
      expect(Math.max(...others.map((one) => one.ms))).toBeLessThan(soonMs)
    }
    await psql.query('commit')
    expect((await Promise.all(held)).map((one) => one.code)).toEqual(['00000', '00000'])
  })

  test('an identity that somebody inserted and did not commit holds up its own person alone', async () => {
    const { user_id } = await login('uncommitted')
    const { rows } = await psql.query('delete from platform_identities where user_id = $1 returning *', [user_id])
    const { platform, appid, openid } = rows[0]
    await hold(
      'insert into platform_identities (platform, appid, openid, user_id, created_at) values ($1, $2, $3, $4, now())',
      [platform, appid, openid, user_id],
    )
    const held = timed(() => gateway.login('uncommitted'))
    await new Promise((resolve) => setTimeout(resolve, 400))
    const others = await Promise.all(people('beside', 20).map((name) => timed(() => gateway.login(name))))
    expect(new Set(others.map((one) => one.code))).toEqual(new Set(['00000']))
    expect(Math.max(...others.map((one) => one.ms))).toBeLessThan(soonMs)
    await psql.query('rollback')
    expect((await held).code).toBe('00000')
  })

  test('whoever needs a row that stays held is told 503 B0320 within the time limit of a statement', async () => {
    const one = await login('unlucky')
    const bearer = { token: one.token }
    await holdUsers([one.user_id])
    await psql.query('select 1 from sessions where user_id = $1 for update', [one.user_id])
    const replies = await Promise.all([
      timed(() => gateway.post('/api/refresh', { refresh_token: one.refresh_token })),
      timed(() => gateway.login('unlucky')),
      timed(() => gateway.call('PATCH', '/api/user', { ...bearer, body: { nickname: 'x' } })),
      timed(() => gateway.post('/api/logout', { refresh_token: one.refresh_token })),
      timed(() => gateway.call('DELETE', '/api/sessions?scope=all', bearer)),
      timed(() => gateway.internal('POST', `/admin/users/${one.user_id}/suspend`, { token: BOSS, body: {} })),
    ])
    expect(replies.map(({ status, code }) => `${status} ${code}`)).toEqual(replies.map(() => '503 B0320'))
    expect(Math.max(...replies.map((reply) => reply.ms))).toBeLessThan(QUERY_LIMIT_MS)
    await psql.query('rollback')
    expect((await gateway.post('/api/refresh', { refresh_token: one.refresh_token })).body.code).toBe('00000')
  })

  test('a held session is read as ever: its use is written down another time', async () => {
    const one = await login('reader')
    await holdSessions([one.user_id])
    const read = await timed(() => gateway.call('GET', '/api/user', { token: one.token }))
    expect([read.code, read.ms < soonMs]).toEqual(['00000', true])
  })

  test('a login beyond the limit passes over a session that somebody holds, and the next one ends it', async () => {
    const limited = await gateway.replica({ SESSION_LIMIT: '1' })
    const first = (await limited.login('limited')).body.data
    await holdSessions([first.user_id])
    const second = await timed(() => limited.login('limited'))
    expect([second.code, second.ms < soonMs]).toEqual(['00000', true])
    await psql.query('commit')
    expect((await limited.login('limited')).body.code).toBe('00000')
    expect((await limited.post('/api/refresh', { refresh_token: first.refresh_token })).body.code).toBe('A0230')
  })

  test('a unionid that appears while somebody holds the identity is kept another time, and the login waits for nobody', async () => {
    const loginWith = (unionid: boolean) =>
      gateway.post('/api/login', { code: gateway.simulator.login(APPID, 'appearing', { unionid }) })
    const { user_id } = (await loginWith(false)).body.data
    await hold('select 1 from platform_identities where user_id = $1 for update', [user_id])
    const held = await timed(() => loginWith(true))
    expect([held.code, held.ms < soonMs]).toEqual(['00000', true])
    await psql.query('commit')
    await loginWith(true)
    const { rows } = await psql.query('select unionid from platform_identities where user_id = $1', [user_id])
    expect(rows).toEqual([{ unionid: expect.any(String) }])
  })

  test('of the sessions of one user only the held one stays, and it ends once it is free', async () => {
    const [mine, held, other] = [await login('many'), await login('many'), await login('many')]
    await hold('select 1 from sessions where user_id = $1 order by id offset 1 limit 1 for update', [mine.user_id])
    const ending = timed(() => gateway.call('DELETE', '/api/sessions?scope=all', { token: mine.token }))
    await expect
      .poll(async () => (await gateway.post('/api/refresh', { refresh_token: other.refresh_token })).body.code)
      .toBe('A0230')
    await psql.query('commit')
    expect((await ending).code).toBe('00000')
    expect((await gateway.post('/api/refresh', { refresh_token: held.refresh_token })).body.code).toBe('A0230')
  })

  test('a user who presses again and again on a held row takes no connection from others', async () => {
    const one = await login('impatient')
    const others = await Promise.all(people('calm', 10).map(login))
    await holdUsers([one.user_id])
    await psql.query('select 1 from sessions where user_id = $1 for update', [one.user_id])
    const pressed = Array.from({ length: 60 }, (_, index) =>
      index % 2 === 0
        ? gateway.call('PATCH', '/api/user', { token: one.token, body: { nickname: `n${index}` } })
        : gateway.post('/api/logout', { refresh_token: one.refresh_token }),
    )
    await new Promise((resolve) => setTimeout(resolve, 200))
    const replies = await Promise.all(
      others.map((other) =>
        timed(() => gateway.call('PATCH', '/api/user', { token: other.token, body: { sex: 'male' } })),
      ),
    )
    expect(new Set(replies.map((reply) => reply.code))).toEqual(new Set(['00000']))
    expect(Math.max(...replies.map((reply) => reply.ms))).toBeLessThan(soonMs)
    await psql.query('commit')
    await Promise.all(pressed)
  })
})
