/** Housekeeping deletes what is over and nothing else, and nobody notices; on the embedded stores and on the real ones. */
import { CompiledQuery } from 'kysely'
import { afterEach, describe, expect, inject, test } from 'vitest'
import { startTestGateway, type TestGateway } from '../../dev/testing/test-gateway.ts'
import { type TestClock, testClock } from '../clock.ts'
import { uuidv7 } from '../crypto/random.ts'
import { createPostgres } from '../storage/database.ts'
import { createHousekeeping } from './housekeeping.ts'
import { BATCH_ROWS, createHousekeepingStore } from './store.ts'

const real = inject('stores') === 'real'
const HOUR = 3600
const DAY = 24 * HOUR

const opened: { close(): Promise<unknown> }[] = []
afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close()
})

type House = { gateway: TestGateway; clock: TestClock; run(): Promise<void> }

async function open(): Promise<House> {
  const clock = testClock(new Date())
  const gateway = await startTestGateway({ clock })
  opened.push(gateway)
  const housekeeping = createHousekeeping({
    store: createHousekeepingStore(gateway.stores.database),
    clock,
    tokenTtlSeconds: 900,
    auditRetentionMonths: 12,
  })
  return { gateway, clock, run: () => housekeeping.run() }
}

/** Another connection to the same database, for what somebody else does meanwhile. */
function elsewhere({ gateway }: House) {
  const database = createPostgres({ url: gateway.stores.databaseUrl, poolMax: 2 })
  opened.push({ close: () => database.close().catch(() => undefined) })
  return database
}

const rows = <Row>({ gateway }: House, text: string, values: unknown[] = []) =>
  gateway.stores.database.run<Row>({ name: '', text }, values)

/** A session; times in seconds from now, the past negative. */
async function addSession(
  house: House,
  { idle = DAY, absolute = 2 * DAY, ended }: { idle?: number; absolute?: number; ended?: number },
) {
  const id = uuidv7(house.clock.now())
  const at = (seconds: number) => new Date(house.clock.now().getTime() + seconds * 1000)
  await rows(
    house,
    `insert into sessions (id, user_id, platform, appid, openid, created_at, refreshed_at, last_used_at, idle_expires_at, expires_at, ended_at)
     values ($1, gen_random_uuid(), 'wechat', 'a', 'o', $2, $2, $2, $3, $4, $5)`,
    [id, at(-30 * DAY), at(idle), at(absolute), ended === undefined ? null : at(ended)],
  )
  return id
}

const addExpired = (house: House, count: number) =>
  rows(
    house,
    `insert into sessions (id, user_id, platform, appid, openid, created_at, refreshed_at, last_used_at, idle_expires_at, expires_at)
     select gen_random_uuid(), gen_random_uuid(), 'wechat', 'a', 'o', $1, $1, $1, $1, $1 from generate_series(1, $2::int)`,
    [new Date(house.clock.now().getTime() - 3 * DAY * 1000), count],
  )

const sessionIds = async (house: House) =>
  (await rows<{ id: string }>(house, 'select id from sessions order by id')).map(({ id }) => id)

const partitions = async (house: House) =>
  (await createHousekeepingStore(house.gateway.stores.database).auditPartitions()).map(({ name }) => name)

const monthNames = (from: Date, count: number) =>
  Array.from({ length: count }, (_, ahead) =>
    new Date(Date.UTC(from.getUTCFullYear(), from.getUTCMonth() + ahead)).toISOString().slice(0, 7).replace('-', '_'),
  ).map((month) => `audit_events_${month}`)

const sqlOf = (text: string) => CompiledQuery.raw(text)

/** Until some statement of this database waits for an advisory lock. */
async function waitsForLock(house: House): Promise<void> {
  const waiting = `select from pg_stat_activity where datname = current_database() and wait_event = 'advisory'`
  while ((await rows(house, waiting)).length === 0) await new Promise((resolve) => setTimeout(resolve, 10))
}

describe('sessions', () => {
  test('expired sessions, and those that ended a week ago, are deleted; no other', async () => {
    const house = await open()
    const { body } = await house.gateway.login('lives')
    const kept = [
      await addSession(house, {}),
      // Its last access token may have been made just before, and verifiers poll its list for a while.
      await addSession(house, { idle: -900 }),
      await addSession(house, { idle: -900 - 1.9 * HOUR }),
      await addSession(house, { ended: -6.9 * DAY }),
    ]
    await addSession(house, { idle: -3 * HOUR })
    await addSession(house, { idle: DAY, absolute: -3 * HOUR })
    await addSession(house, { ended: -7.1 * DAY })
    await house.run()
    const left = await sessionIds(house)
    expect(left).toHaveLength(kept.length + 1)
    expect(left).toEqual(expect.arrayContaining(kept))
    expect((await house.gateway.post('/api/refresh', { refresh_token: body.data.refresh_token })).body.code).toBe(
      '00000',
    )
  })

  test('they go in batches, each a statement of its own, and the walk goes on where it stopped, on any replica', async () => {
    const house = await open()
    await addExpired(house, 2 * BATCH_ROWS + 500)
    const times = {
      dueBefore: house.clock.now(),
      expiredBefore: house.clock.now(),
      endedBefore: new Date(0),
      now: house.clock.now(),
    }
    const replicas = [house.gateway.stores, house.gateway.stores.replica()].map(({ database }) =>
      createHousekeepingStore(database),
    )
    const steps = []
    for (const n of [0, 1, 0]) steps.push(await replicas[n]?.deleteSessions(times))
    expect(steps).toEqual([
      { finished: false, deleted: BATCH_ROWS },
      { finished: false, deleted: BATCH_ROWS },
      { finished: true, deleted: 500 },
    ])
    expect(await sessionIds(house)).toEqual([])
    const notDue = { ...times, dueBefore: new Date(house.clock.now().getTime() - 1000) }
    expect(await replicas[1]?.deleteSessions(notDue)).toBeUndefined()
  })

  test('a round is done once, however many replicas run, and again six hours later', async () => {
    const house = await open()
    await addExpired(house, 10)
    await Promise.all([house.run(), house.run(), house.run()])
    await addExpired(house, 10)
    await house.run()
    expect(await sessionIds(house)).toHaveLength(10)
    house.clock.advance(6 * HOUR + 1)
    await house.run()
    expect(await sessionIds(house)).toHaveLength(0)
  })

  test.runIf(real)('while one replica works, another leaves at once', async () => {
    const house = await open()
    await addExpired(house, 10)
    const other = elsewhere(house)
    await other.kysely.transaction().execute(async (tx) => {
      await tx.selectFrom('housekeeping').selectAll().forUpdate().execute()
      await house.run()
    })
    expect(await sessionIds(house)).toHaveLength(10)
  })

  test.runIf(real)('a session in use is skipped, not waited for', async () => {
    const house = await open()
    const used = await addSession(house, { idle: -3 * DAY })
    await addExpired(house, 10)
    await elsewhere(house)
      .kysely.transaction()
      .execute(async (tx) => {
        await tx.selectFrom('sessions').selectAll().where('id', '=', used).forUpdate().execute()
        await house.run()
      })
    expect(await sessionIds(house)).toEqual([used])
  })

  test.runIf(real)('refreshes and logins go through while a batch is being deleted', async () => {
    const house = await open()
    const { body } = await house.gateway.login('refresher')
    await addExpired(house, 10)
    const other = elsewhere(house)
    // A delete that takes as long as this test wants: it waits for a lock that is held until the others are through.
    await rows(
      house,
      `create function wait_for_test() returns trigger language plpgsql as $$ begin perform pg_advisory_xact_lock(4711); return old; end $$`,
    )
    await rows(
      house,
      'create trigger wait_for_test before delete on sessions for each row execute function wait_for_test()',
    )
    let finished = false
    let running: Promise<void> = Promise.resolve()
    await other.kysely.connection().execute(async (holder) => {
      await holder.executeQuery(sqlOf('select pg_advisory_lock(4711)'))
      running = house.run().then(() => {
        finished = true
      })
      await waitsForLock(house)
      const reply = await house.gateway.post('/api/refresh', { refresh_token: body.data.refresh_token })
      expect(reply.body.code).toBe('00000')
      expect((await house.gateway.login('newcomer')).body.code).toBe('00000')
      expect(finished).toBe(false)
      await holder.executeQuery(sqlOf('select pg_advisory_unlock(4711)'))
    })
    await running
    expect(await sessionIds(house)).toHaveLength(2)
  })
})

describe('audit events', () => {
  const addEvent = (house: House, at: Date) =>
    rows(house, `insert into audit_events (at, kind) values ($1, 'login')`, [at])

  const inDefault = async (house: House) =>
    (await rows<{ n: number }>(house, 'select count(*)::int as n from audit_events_default'))[0]?.n

  test('a new database has partitions for this month and the next; housekeeping stays three months ahead', async () => {
    const house = await open()
    expect(await partitions(house)).toEqual(monthNames(new Date(), 2))
    await house.gateway.login('audited')
    expect(await inDefault(house)).toBe(0)
    await house.run()
    expect(await partitions(house)).toEqual(monthNames(new Date(), 4))
    const inThree = new Date(Date.UTC(new Date().getUTCFullYear(), new Date().getUTCMonth() + 3, 15))
    await addEvent(house, inThree)
    expect(await inDefault(house)).toBe(0)
  })

  test('events older than the retention are gone, partition or not; younger ones stay', async () => {
    const house = await open()
    const start = house.clock.now()
    const middle = (ahead: number) => new Date(Date.UTC(start.getUTCFullYear(), start.getUTCMonth() + ahead, 15))
    await house.run()
    await addEvent(house, middle(0))
    await addEvent(house, middle(1))
    // Before any partition: these lie in the default one, more of them than a batch holds.
    await rows(
      house,
      `insert into audit_events (at, kind) select $1::timestamptz + n * interval '1 second', 'login' from generate_series(1, 1500) n`,
      [middle(-1)],
    )
    expect(await inDefault(house)).toBe(1500)
    house.clock.set(middle(13))
    await house.run()
    expect(await inDefault(house)).toBe(0)
    const left = await rows<{ at: Date }>(house, 'select at from audit_events')
    expect(left.map(({ at }) => at)).toEqual([middle(1)])
    expect(await partitions(house)).toEqual([...monthNames(middle(1), 3), ...monthNames(middle(13), 4)])
  })

  test('a month whose events went to the default partition is left there', async () => {
    const house = await open()
    const late = new Date(Date.UTC(house.clock.now().getUTCFullYear(), house.clock.now().getUTCMonth() + 2, 3))
    await addEvent(house, late)
    await house.run()
    expect(await inDefault(house)).toBe(1)
    expect(await partitions(house)).toEqual(
      monthNames(house.clock.now(), 4).filter((name) => !monthNames(late, 1).includes(name)),
    )
  })

  test.runIf(real)('partitions of a table in use wait for the next run, and logins do not wait for them', async () => {
    const house = await open()
    await elsewhere(house)
      .kysely.transaction()
      .execute(async (tx) => {
        await tx.executeQuery(sqlOf('lock table audit_events_default in access share mode'))
        await house.run()
        expect((await house.gateway.login('meanwhile')).body.code).toBe('00000')
      })
    expect(await partitions(house)).toHaveLength(2)
    await house.run()
    expect(await partitions(house)).toHaveLength(4)
  })
})

describe('addresses of erased users', () => {
  test('leave the audit trail once their legal time is over, and not before; nothing else in it changes', async () => {
    const house = await open()
    const { gateway, clock } = house
    const headers = { 'x-forwarded-for': '203.0.113.7' }
    const replica = await gateway.replica({ TRUSTED_PROXY_HOPS: '1' })
    const login = async (person: string) =>
      (await replica.post('/api/login', { code: gateway.simulator.login('wx0000000000000001', person) }, headers)).body
        .data
    const [leaver, stayer] = [await login('leaver'), await login('stayer')]
    const body = { code: gateway.simulator.login('wx0000000000000001', 'leaver') }
    const { kept } = (await replica.call('DELETE', '/api/user', { token: leaver.token, body, headers })).body.data
    const until = new Date(kept.find(({ what }: { what: string }) => what === 'addresses').until)
    const days = (until.getTime() - clock.now().getTime()) / 86_400_000
    expect([days > 182, days < 184]).toEqual([true, true])

    const addressesOf = async (userId: string) =>
      (await rows<{ n: number }>(house, 'select count(ip)::int as n from audit_events where user_id = $1', [userId]))[0]
        ?.n
    const trailOf = (userId: string) =>
      rows(house, `select to_jsonb(e) - 'ip' as event from audit_events e where user_id = $1 order by id`, [userId])
    const before = [await addressesOf(leaver.user_id), await trailOf(leaver.user_id)]
    expect(before[0]).toBeGreaterThan(0)
    await house.run()
    expect([await addressesOf(leaver.user_id), await trailOf(leaver.user_id)]).toEqual(before)
    clock.advance(184 * DAY)
    await Promise.all([house.run(), house.run()])
    expect([await addressesOf(leaver.user_id), await trailOf(leaver.user_id)]).toEqual([0, before[1]])
    expect(await addressesOf(stayer.user_id)).toBeGreaterThan(0)
    expect(await rows(house, 'select from sessions where user_id = $1 and ip is not null', [leaver.user_id])).toEqual(
      [],
    )
    await replica.close()
  })

  test('are all that may change in the audit trail', async () => {
    const house = await open()
    await house.gateway.login('watched')
    for (const change of [
      `kind = 'x'`,
      `ip = '192.0.2.1'`,
      `ip = null, kind = 'x'`,
      `detail = '{}', ip = null`,
      `actor = 'me'`,
    ])
      await expect(rows(house, `update audit_events set ${change} where kind = 'login'`)).rejects.toThrow('append only')
    await rows(house, 'update audit_events set ip = null')
  })
})
