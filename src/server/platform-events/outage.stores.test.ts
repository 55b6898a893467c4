/** Events while a store is away: without PostgreSQL WeChat is asked to come again, without Redis nothing waits but the stream. */
import { afterAll, beforeAll, expect, inject, test, vi } from 'vitest'
import { startPostgres } from '../../dev/services/postgres.ts'
import { createAwayCache } from '../../dev/testing/away-cache.ts'
import { passedOn, pushEnvironment, pushOf, sendPush } from '../../dev/testing/push.ts'
import { openTestStores } from '../../dev/testing/real-stores.ts'
import { APPID, startTestGateway, type TestGateway } from '../../dev/testing/test-gateway.ts'
import { createPostgres } from '../storage/database.ts'
import { migrate } from '../storage/migrate.ts'

const waits = { timeout: 15_000, interval: 50 }
let created = 1
const event = (openid: string, name: string, more = {}) => ({
  ...{ Event: name, OpenID: openid, CreateTime: created++, MsgType: 'event', ...more },
})

let stores: Awaited<ReturnType<typeof openTestStores>>
let gateway: TestGateway
beforeAll(async () => {
  stores = await openTestStores()
})
afterAll(() => gateway?.close())

test('without Redis a user is erased all the same, and what is for others is passed on once it is back', async () => {
  const { cache } = stores
  const away = createAwayCache()
  let down = true
  const switched = {
    ...cache,
    append: (...given: Parameters<typeof cache.append>) => (down ? away : cache).append(...given),
  }
  gateway = await startTestGateway({ environment: pushEnvironment, stores: { ...stores, cache: switched } })
  const userId = (await gateway.login('leaving')).body.data.user_id
  const openid = gateway.simulator.openidOf(APPID, 'leaving')
  const elsewhere = event('o1', 'wxa_media_check')
  const startedAt = performance.now()
  for (let n = 0; n < 25; n += 1)
    expect((await sendPush(gateway, pushOf({ ...elsewhere, trace_id: n }))).text).toBe('success')
  expect((await sendPush(gateway, pushOf(event(openid, 'user_authorization_cancellation')))).text).toBe('success')
  expect(performance.now() - startedAt).toBeLessThan(5000)
  const rows = <Row>(text: string, values: unknown[] = []) =>
    stores.database.run<Row>({ name: text.slice(0, 60), text }, values)
  await vi.waitFor(async () => {
    expect(await rows('select status from users where id = $1', [userId])).toEqual([{ status: 'erased' }])
  }, waits)
  const waiting = await rows<{ attempts: number }>('select attempts from platform_events where due_at is not null')
  expect([waiting.length, waiting.every(({ attempts }) => attempts <= 1)]).toEqual([25, true])

  down = false
  await rows('update platform_events set due_at = clock_timestamp() where due_at is not null')
  await vi.waitFor(async () => {
    const passed = (await passedOn({ ...gateway, stores })).map(({ message }) => JSON.parse(message ?? '').trace_id)
    expect(passed.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 25 }, (_, n) => n))
  }, waits)
}, 60_000)

test('what fails is tried again with growing pauses, and in the end kept for somebody to look at', async () => {
  const rows = <Row>(text: string, values: unknown[] = []) =>
    stores.database.run<Row>({ name: text.slice(0, 60), text }, values)
  const userId = (await gateway.login('blocked')).body.data.user_id
  // A trigger that refuses: what no user can do, and a constraint added by hand could.
  await rows(`create function refuse() returns trigger language plpgsql as $$ begin raise exception 'no'; end $$`)
  await rows(`create trigger refuse before update of email on users for each row execute function refuse()`)
  const openid = gateway.simulator.openidOf(APPID, 'blocked')
  await rows(`update users set nickname = 'x' where id = $1`, [userId])
  await sendPush(gateway, pushOf(event(openid, 'user_authorization_cancellation')))
  const row = async () =>
    (
      await rows<{ attempts: number; outcome: string; message: string; pause: number }>(
        `select attempts, outcome, message, extract(epoch from due_at - clock_timestamp())::float8 as pause
       from platform_events order by id desc limit 1`,
      )
    )[0]
  await vi.waitFor(async () => {
    const found = await row()
    expect(found?.attempts).toBe(1)
    expect(found?.pause).toBeLessThan(10)
  }, waits)
  await rows('update platform_events set attempts = 11, due_at = clock_timestamp() where due_at is not null')
  await vi.waitFor(async () => expect(await row()).toMatchObject({ attempts: 12, outcome: 'dead' }), waits)
  expect((await row())?.message).toContain(openid)
  expect(gateway.logs()).toContain('ALERT: an event of a platform was given up')
  await rows('drop trigger refuse on users')
  await rows(`update platform_events set attempts = 0, due_at = clock_timestamp() where outcome = 'dead'`)
  await vi.waitFor(async () => {
    expect(await rows('select status from users where id = $1', [userId])).toEqual([{ status: 'erased' }])
  }, waits)
}, 60_000)

test('a replica that dies at work leaves its event to another, once its time is over', async () => {
  const rows = <Row>(text: string, values: unknown[] = []) =>
    stores.database.run<Row>({ name: text.slice(0, 60), text }, values)
  const { user_id: userId, token } = (await gateway.login('orphan')).body.data
  await gateway.call('PATCH', '/api/user', { token, body: { email: 'o@example.com' } })
  const message = JSON.stringify(
    event(gateway.simulator.openidOf(APPID, 'orphan'), 'user_authorization_revoke', { RevokeInfo: '16' }),
  )
  await rows(
    `insert into platform_events (digest, platform, appid, kind, name, format, message, source, attempts, due_at)
     values ('orphan', 'wechat', $1, 'user', 'user_authorization_revoke', 'json', $2, 'push', 1, clock_timestamp() + interval '3 seconds')`,
    [APPID, message],
  )
  expect(await rows('select email from users where id = $1', [userId])).toEqual([{ email: 'o@example.com' }])
  await vi.waitFor(async () => {
    expect(await rows('select email from users where id = $1', [userId])).toEqual([{ email: null }])
  }, waits)
}, 60_000)

test.runIf(inject('stores') === 'real')(
  'without PostgreSQL the answer is 503 within 5 s, and the repeat is done once it is back',
  async () => {
    const postgres = await startPostgres()
    const database = createPostgres({ url: postgres.url, poolMax: 4 })
    await migrate(database.kysely)
    const one = await startTestGateway({
      environment: pushEnvironment,
      stores: { ...stores, database, close: async () => undefined },
    })
    try {
      const userId = (await one.login('unlucky')).body.data.user_id
      const message = event(one.simulator.openidOf(APPID, 'unlucky'), 'user_authorization_cancellation')
      await postgres.kill()
      for (let n = 0; n < 3; n += 1) {
        const startedAt = performance.now()
        expect((await sendPush(one, pushOf(message))).status).toBe(503)
        expect(performance.now() - startedAt).toBeLessThan(5000)
      }
      await postgres.restart()
      await vi.waitFor(async () => expect((await sendPush(one, pushOf(message))).status).toBe(200), waits)
      await vi.waitFor(async () => {
        const text = 'select status from users where id = $1'
        expect(await database.run({ name: 'status', text }, [userId])).toEqual([{ status: 'erased' }])
      }, waits)
    } finally {
      await one.close()
      await postgres.stop()
    }
  },
  90_000,
)
