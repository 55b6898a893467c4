/** Events that stand alone are written in bulk soon after: none is lost on the way, and what cannot be written is told of. */
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { openTestStores, type TestStores } from '../../dev/testing/real-stores.ts'
import { APPID, startTestGateway } from '../../dev/testing/test-gateway.ts'
import { type AuditEvent, createAudit } from './audit.ts'

let stores: TestStores
beforeAll(async () => {
  stores = await openTestStores()
})
afterAll(() => stores.close())

const onError = vi.fn()
const open = () => createAudit({ database: stores.database, onError })
const event = (appid: string): AuditEvent => ({
  kind: 'login_refused',
  at: new Date(),
  actor: { name: 'user', ip: '203.0.113.7', requestId: 'request' },
  appid,
})
async function written(appid: string): Promise<number> {
  const { rows } = await sql<{ n: number }>`select count(*)::int as n from audit_events where appid = ${appid}`.execute(
    stores.database.kysely,
  )
  return rows[0]?.n ?? -1
}

test('what is recorded is written within a moment, time after time, each event once', async () => {
  const audit = open()
  for (let round = 1; round <= 3; round += 1) {
    audit.record(event('moment'))
    audit.record(event('moment'))
    await vi.waitFor(async () => expect(await written('moment')).toBe(2 * round), { timeout: 5000, interval: 20 })
  }
})

test('as many as may wait are written at once, though no single statement takes so many', async () => {
  const audit = open()
  for (let n = 0; n < 10_000; n += 1) audit.record(event('crowd'))
  expect(onError).not.toHaveBeenCalled()
  audit.record(event('crowd'))
  audit.record(event('crowd'))
  expect(onError.mock.calls.map(([, lost]) => lost)).toEqual([1, 1])
  onError.mockClear()
  await audit.flush()
  expect(onError).not.toHaveBeenCalled()
  expect(await written('crowd')).toBe(10_000)
})

test('a flush waits for what is being written, and writes what came meanwhile', async () => {
  const audit = open()
  audit.record(event('flushed'))
  const first = audit.flush()
  audit.record(event('flushed'))
  await audit.flush()
  expect(await written('flushed')).toBe(2)
  await first
})

test('events that cannot be written are counted as lost, and the next are written again', async () => {
  const audit = open()
  const { kysely } = stores.database
  await sql`alter table audit_events rename to put_aside`.execute(kysely)
  for (let n = 0; n < 700; n += 1) audit.record(event('lost'))
  await audit.flush()
  await sql`alter table put_aside rename to audit_events`.execute(kysely)
  expect(onError.mock.calls.map(([, lost]) => lost)).toEqual([700])
  onError.mockClear()
  audit.record(event('lost'))
  await audit.flush()
  expect(await written('lost')).toBe(1)
  expect(onError).not.toHaveBeenCalled()
})

describe('on a whole gateway', () => {
  const environment = { TRUSTED_PROXY_HOPS: '1' }
  const start = () =>
    startTestGateway({ environment, stores: { ...stores, ...stores.replica(), close: async () => undefined } })
  const from = { 'x-forwarded-for': '198.51.100.77' }

  test('what was refused right before it closed is on record', async () => {
    const gateway = await start()
    await gateway.post('/api/login', { code: 'made-up' }, from)
    await gateway.close()
    const { rows } = await sql<{ kind: string }>`select kind from audit_events where ip = '198.51.100.77'`.execute(
      stores.database.kysely,
    )
    expect(rows).toEqual([{ kind: 'login_refused' }])
  })

  test('an erasure is on record without the address of whoever asked for it, and what was on record stays', async () => {
    const gateway = await start()
    const code = () => ({ code: gateway.simulator.login(APPID, 'leaver') })
    const { token, user_id } = (await gateway.post('/api/login', code(), from)).body.data
    await gateway.call('PATCH', '/api/user', { token, headers: from, body: { nickname: 'Lee' } })
    const erased = await gateway.call('DELETE', '/api/user', { token, headers: from, body: code() })
    expect(erased.status).toBe(200)
    await gateway.close()
    const { rows } = await sql<{ kind: string; ip: string | null }>`
      select kind, ip from audit_events where user_id = ${user_id} order by at, id`.execute(stores.database.kysely)
    expect(rows.map(({ kind }) => kind).sort()).toEqual(['login', 'profile_changed', 'session_ended', 'user_erased'])
    expect(rows.find(({ kind }) => kind === 'user_erased')?.ip).toBeNull()
  })
})
