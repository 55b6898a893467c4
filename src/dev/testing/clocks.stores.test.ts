/** Replicas with wrong clocks, and a database that was put back: nothing shared or destructive hangs on one replica's time. */
import { inflateSync } from 'node:zlib'
import { decodeJwt } from 'jose'
import { sql as raw } from 'kysely'
import { afterEach, describe, expect, test, vi } from 'vitest'
import type { Clock } from '../../server/clock.ts'
import { placeOf } from '../../server/revocation/status-list.ts'
import { startTestGateway, type TestGateway, type TestGatewayOptions } from './test-gateway.ts'

const opened: TestGateway[] = []
afterEach(async () => {
  for (const gateway of opened.splice(0).reverse()) await gateway.close()
})
const kept = (gateway: TestGateway) => {
  opened.push(gateway)
  return gateway
}
const start = async (options?: TestGatewayOptions) => kept(await startTestGateway(options))

/** The real time, and so much more. */
const ahead = (seconds: number): Clock & { seconds: number } => ({
  seconds,
  now() {
    return new Date(Date.now() + this.seconds * 1000)
  },
})
const DAY = 86_400
const sql = <Row>(gateway: TestGateway, text: string) =>
  gateway.stores.database.run<Row>({ name: text.slice(0, 60), text }, [])
const jwksOf = async (gateway: TestGateway) => (await gateway.publicApp.request('/.well-known/jwks.json')).text()
const readiness = async (gateway: TestGateway) => await gateway.internalApp.request('/readyz')
const indexOf = (token: string) =>
  decodeJwt<{ status: { status_list: { idx: number; uri: string } } }>(token).status.status_list
const bitOf = async (gateway: TestGateway, token: string): Promise<number> => {
  const { idx, uri } = indexOf(token)
  const jwt = await (await gateway.publicApp.request(new URL(uri).pathname)).text()
  const { lst } = decodeJwt<{ status_list: { lst: string } }>(jwt).status_list
  const bits = inflateSync(Buffer.from(lst, 'base64url'))
  return ((bits[idx >> 3] ?? 0) >> (idx & 7)) & 1
}

describe.each([
  ['40 days ahead', 40 * DAY],
  ['132 minutes ahead', 132 * 60],
  ['40 days behind', -40 * DAY],
])('a replica that starts %s', (_, seconds) => {
  test('is not ready, says why, signs nothing, and changes nothing that others live on', async () => {
    const right = await start({
      environment: { SIGNING_KEY_ROTATION_SECONDS: '90000', SIGNING_KEY_PUBLISH_AHEAD_SECONDS: '86400' },
    })
    const session = (await right.login('somebody')).body.data
    const keys = await jwksOf(right)
    const before = await sql(right, 'select kid, activates_at, retired_at from signing_keys order by kid')

    const wrong = kept(await right.replica({}, { clock: ahead(seconds) }))
    expect((await readiness(wrong)).status).toBe(503)
    expect(await (await readiness(wrong)).text()).toContain('the clock of this replica is')
    const refused = await wrong.login('another')
    expect([refused.status, refused.body.code]).toEqual([503, 'B0320'])
    expect((await wrong.post('/api/refresh', { refresh_token: session.refresh_token })).status).toBe(503)
    expect(wrong.logs()).toMatch(/ALERT: the clock of this replica is/)
    const metrics = await (await wrong.internalApp.request('/metrics')).text()
    expect(Number(/^gateway_clock_skew_seconds (\S+)$/m.exec(metrics)?.[1])).toBeCloseTo(seconds, -1)

    expect(await sql(right, 'select kid, activates_at, retired_at from signing_keys order by kid')).toEqual(before)
    expect(await jwksOf(right)).toBe(keys)
    expect((await right.call('GET', '/api/user', { token: session.token })).status).toBe(200)
    expect((await right.post('/api/refresh', { refresh_token: session.refresh_token })).status).toBe(200)
    const [job] = await sql<{ late: boolean }>(
      right,
      "select max(done_at) > now() + interval '1 minute' as late from housekeeping",
    )
    expect(job?.late).toBe(false)
  })
})

test('a replica whose clock is put right recovers without a restart', async () => {
  const right = await start()
  const clock = ahead(3600)
  const wrong = kept(await right.replica({}, { clock }))
  expect((await readiness(wrong)).status).toBe(503)
  clock.seconds = 0
  await vi.waitFor(async () => expect((await readiness(wrong)).status).toBe(200), { timeout: 8000, interval: 100 })
  expect((await wrong.login('somebody')).body.code).toBe('00000')
})

test('a clock that is off within the limit is reported, and logins go on', async () => {
  const right = await start()
  const off = kept(await right.replica({}, { clock: ahead(20) }))
  expect((await readiness(off)).status).toBe(200)
  expect((await off.login('somebody')).body.code).toBe('00000')
  expect(off.logs()).toContain('20 s ahead of the database')
})

test('ended sessions reach the lists of replicas whose clocks are far apart, and what they store has the database’s time', async () => {
  const unchecked = { CLOCK_SKEW_LIMIT_SECONDS: '0' }
  const right = await start({ environment: unchecked })
  const behind = kept(await right.replica(unchecked, { clock: ahead(-150) }))
  const before = kept(await right.replica(unchecked, { clock: ahead(150) }))
  const [one, two] = [(await right.login('one')).body.data, (await behind.login('two')).body.data]
  for (const reply of [
    await behind.post('/api/logout', { refresh_token: one.refresh_token }),
    await right.post('/api/logout', { refresh_token: two.refresh_token }),
  ])
    expect(reply.body.code).toBe('00000')
  const bits = async () =>
    await Promise.all(
      [right, behind, before].flatMap((gateway) => [bitOf(gateway, one.token), bitOf(gateway, two.token)]),
    )
  await vi.waitFor(async () => expect(await bits()).toEqual([1, 1, 1, 1, 1, 1]), { timeout: 8000, interval: 100 })
  const [row] = await sql<{ worst: number }>(
    right,
    'select max(abs(extract(epoch from clock_timestamp() - ended_at)))::float8 as worst from sessions',
  )
  expect(row?.worst).toBeLessThan(30)
})

test('an end that is committed long after others reaches the list all the same', async ({ skip }) => {
  const gateway = await start()
  skip(gateway.stores.kind === 'embedded', 'one connection has no transactions side by side')
  const [late, early] = [(await gateway.login('late')).body.data, (await gateway.login('early')).body.data]
  const { kysely } = gateway.stores.database
  await kysely.transaction().execute(async (tx) => {
    await raw`update sessions set ended_at = now() - interval '1 hour', ended_xid = pg_current_xact_id(), end_reason = 'logout'
      where user_id = ${late.user_id}`.execute(tx)
    await gateway.post('/api/logout', { refresh_token: early.refresh_token })
    await vi.waitFor(async () => expect(await bitOf(gateway, early.token)).toBe(1), { timeout: 8000, interval: 100 })
    // Two more polls go by while this one is under way.
    await new Promise((resolve) => setTimeout(resolve, 4500))
  })
  await vi.waitFor(async () => expect(await bitOf(gateway, late.token)).toBe(1), { timeout: 8000, interval: 100 })
})

test('a database that was put back hands out no index again, before a restart and after it', async () => {
  const gateway = await start()
  const other = kept(await gateway.replica())
  const given = new Set<string>()
  const indexAt = async (on: TestGateway, person: string) => {
    const { idx, uri } = indexOf((await on.login(person)).body.data.token)
    return `${uri} ${idx}`
  }
  for (let index = 0; index < 40; index += 1) given.add(await indexAt(index % 2 ? gateway : other, `before${index}`))
  // Both replicas have seen how far it went.
  await new Promise((resolve) => setTimeout(resolve, 5000))
  await sql(gateway, "select setval('session_status_index', 3)")
  const restarted = kept(await gateway.replica())
  for (const [name, on] of [
    ['gateway', gateway],
    ['other', other],
    ['restarted', restarted],
  ] as const)
    for (let index = 0; index < 10; index += 1) {
      const next = await indexAt(on, `${name}${index}`)
      expect(given).not.toContain(next)
      given.add(next)
    }
  expect(given.size).toBe(70)
  expect(restarted.logs()).toContain('put back to an earlier state')
})

test('what had ended before the database was put back stays ended: for refresh, for verifiers, and on a replica that starts later', async () => {
  const gateway = await start()
  const other = kept(await gateway.replica())
  const [lives, forgotten, unknown] = [
    (await gateway.login('lives')).body.data,
    (await gateway.login('forgotten')).body.data,
    (await gateway.login('unknown')).body.data,
  ]
  for (const one of [forgotten, unknown]) await gateway.post('/api/logout', { refresh_token: one.refresh_token })
  for (const one of [gateway, other])
    await vi.waitFor(async () => expect(await bitOf(one, unknown.token)).toBe(1), { timeout: 8000, interval: 50 })

  await sql(gateway, `delete from sessions where user_id = '${unknown.user_id}'`)
  await sql(
    gateway,
    `update sessions set ended_at = null, ended_xid = null, end_reason = null where user_id = '${forgotten.user_id}'`,
  )
  // Another sequence, as on another server; the start is far from what was handed out.
  await sql(gateway, 'drop sequence session_status_index')
  await sql(gateway, 'create sequence session_status_index minvalue 0 start 0')
  const endedNow = () =>
    sql<{ user_id: string; end_reason: string }>(
      gateway,
      'select user_id, end_reason from sessions where ended_at is not null order by user_id',
    )
  const both = [forgotten, unknown]
    .map(({ user_id }) => ({ user_id, end_reason: 'logout' }))
    .sort((a, b) => (a.user_id < b.user_id ? -1 : 1))
  await vi.waitFor(async () => expect(await endedNow()).toEqual(both), { timeout: 8000, interval: 50 })
  expect((await other.post('/api/refresh', { refresh_token: forgotten.refresh_token })).body.code).toBe('A0230')
  expect((await other.post('/api/refresh', { refresh_token: lives.refresh_token })).body.code).toBe('00000')
  const later = kept(await gateway.replica())
  expect([
    await bitOf(later, forgotten.token),
    await bitOf(later, unknown.token),
    await bitOf(later, lives.token),
  ]).toEqual([1, 1, 0])
  expect(gateway.logs()).toContain('had forgotten that sessions ended')
  const [told] = await sql<{ n: number }>(
    gateway,
    "select count(*)::int as n from audit_events where kind = 'session_ended' and detail ->> 'again' = 'true'",
  )
  expect(told?.n).toBe(2)
})

test('indexes of logins in a row tell nothing of how many there were', async () => {
  const gateway = await start()
  const places: number[] = []
  for (let index = 0; index < 12; index += 1)
    places.push(placeOf(indexOf((await gateway.login(`p${index}`)).body.data.token).idx))
  const steps = places.slice(1).map((place, index) => Math.abs(place - (places[index] ?? 0)))
  expect(new Set(places).size).toBe(places.length)
  expect(steps.filter((step) => step < 16).length).toBeLessThan(3)
  expect(new Set(steps).size).toBeGreaterThan(8)
})
