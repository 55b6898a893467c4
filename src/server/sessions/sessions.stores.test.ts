/** What section 5 of the contract promises of refreshing, and what ends a session, on two replicas and with the clock in hand. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTestGateway, type TestGateway } from '../../dev/testing/test-gateway.ts'
import { type TestClock, testClock } from '../clock.ts'
import { createMemoryCache } from '../storage/cache.memory.ts'
import { CacheUnavailable } from '../storage/cache.ts'
import type { Database } from '../storage/database.ts'

const REUSE = 30
const IDLE = 1000
const ABSOLUTE = 2500
const environment = {
  REFRESH_REUSE_INTERVAL_SECONDS: String(REUSE),
  REFRESH_TOKEN_TTL_SECONDS: String(IDLE),
  SESSION_TTL_SECONDS: String(ABSOLUTE),
}

let clock: TestClock
let gateway: TestGateway
let other: TestGateway
beforeAll(async () => {
  clock = testClock(new Date())
  gateway = await startTestGateway({ clock, environment })
  other = await gateway.replica()
})
afterAll(() => gateway.close())

let people = 0
async function loggedIn() {
  const { body } = await gateway.login(`person ${++people}`)
  return body.data as { token: string; refresh_token: string; user_id: string; refresh_expires_in: number }
}
const refresh = (token: string, on: TestGateway = gateway) => on.post('/api/refresh', { refresh_token: token })
const sidOf = (token: string): string => JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()).sid

async function rows<Row>(text: string, values: unknown[] = []): Promise<Row[]> {
  return await gateway.stores.database.run<Row>({ name: text.slice(0, 60), text }, values)
}
const sessionRow = async (sid: string) =>
  (
    await rows<{ end_reason: string | null; refresh_counter: number }>(
      'select end_reason, refresh_counter from sessions where id = $1',
      [sid],
    )
  )[0]
const auditedOf = async (sid: string) =>
  (await rows<{ kind: string }>('select kind from audit_events where session_id = $1 order by id', [sid])).map(
    (row) => row.kind,
  )

async function expectRefused(reply: ReturnType<typeof refresh>, status: number, code: string): Promise<void> {
  const { status: given, body } = await reply
  expect([given, body.code, body.data]).toEqual([status, code, null])
}

describe('refreshing', () => {
  test('gives new tokens of the same session and user, and says how long they last', async () => {
    const first = await loggedIn()
    const { body, headers } = await refresh(first.refresh_token, other)
    expect(body.data).toMatchObject({
      user_id: first.user_id,
      is_new_user: false,
      token_type: 'Bearer',
      expires_in: 900,
      refresh_expires_in: IDLE,
    })
    expect(sidOf(body.data.token)).toBe(sidOf(first.token))
    expect(body.data.refresh_token).not.toBe(first.refresh_token)
    expect(headers.get('cache-control')).toBe('no-store')
  })

  test('with the token before, inside the interval, gives the same successor again, on any replica', async () => {
    const first = await loggedIn()
    const successor = (await refresh(first.refresh_token)).body.data.refresh_token
    clock.advance(REUSE)
    for (const replica of [gateway, other])
      expect((await refresh(first.refresh_token, replica)).body.data.refresh_token).toBe(successor)
  })

  test('with one token 100 times at once on two replicas gives one successor, and moves the session once', async () => {
    const { refresh_token, token } = await loggedIn()
    const replies = await Promise.all(
      Array.from({ length: 100 }, (_, index) => refresh(refresh_token, index % 2 ? gateway : other)),
    )
    expect(new Set(replies.map((reply) => reply.body.code))).toEqual(new Set(['00000']))
    expect(new Set(replies.map((reply) => reply.body.data.refresh_token)).size).toBe(1)
    expect((await sessionRow(sidOf(token)))?.refresh_counter).toBe(1)
  })

  test('of a hundred sessions at once gives each its own', async () => {
    const all = await Promise.all(Array.from({ length: 100 }, loggedIn))
    const replies = await Promise.all(all.map((one, index) => refresh(one.refresh_token, index % 2 ? gateway : other)))
    expect(replies.map((reply) => reply.body.data.user_id)).toEqual(all.map((one) => one.user_id))
    expect(replies.map((reply) => sidOf(reply.body.data.token))).toEqual(all.map((one) => sidOf(one.token)))
  })

  test('needs no cache', async () => {
    const { refresh_token } = await loggedIn()
    const refuse = () => Promise.reject(new CacheUnavailable(undefined))
    const steps = { get: refuse, set: refuse, setIfAbsent: refuse, replace: refuse, delete: refuse, deleteIf: refuse }
    const cache = {
      ...createMemoryCache({ clock }),
      ...steps,
      append: refuse,
      available: () => false,
    }
    const without = await startTestGateway({
      clock,
      environment: { ...environment, ENCRYPTION_KEYS: gateway.environment.ENCRYPTION_KEYS },
      stores: { ...gateway.stores, ...gateway.stores.replica(), cache, close: async () => undefined },
    })
    expect((await refresh(refresh_token, without)).status).toBe(200)
  })
})

describe('a replay', () => {
  test.each<[string, number, number]>([
    ['of the token before, after the interval', 1, REUSE + 1],
    ['of a token two behind, at once', 2, 0],
    ['of a token five behind', 5, 0],
  ])('%s is A0220, ends the session and is audited', async (_what, steps, waitSeconds) => {
    const first = await loggedIn()
    const sid = sidOf(first.token)
    let newest = first.refresh_token
    for (let step = 0; step < steps; step += 1) newest = (await refresh(newest)).body.data.refresh_token
    clock.advance(waitSeconds)
    await expectRefused(refresh(first.refresh_token, other), 401, 'A0220')
    await expectRefused(refresh(newest), 401, 'A0230')
    expect((await sessionRow(sid))?.end_reason).toBe('replayed')
    expect(await auditedOf(sid)).toEqual(['login', 'refresh_replayed'])
  })

  test('many times at once ends the session once', async () => {
    const first = await loggedIn()
    const second = (await refresh(first.refresh_token)).body.data.refresh_token
    await refresh(second)
    const replies = await Promise.all(
      Array.from({ length: 20 }, (_, index) => refresh(first.refresh_token, index % 2 ? gateway : other)),
    )
    const codes = replies.map((reply) => reply.body.code).sort()
    expect(codes).toEqual(['A0220', ...Array(19).fill('A0230')])
    expect(await auditedOf(sidOf(first.token))).toEqual(['login', 'refresh_replayed'])
  })
})

test('a forged or foreign token is A0230 and costs no call to the database', async () => {
  const { refresh_token } = await loggedIn()
  let calls = 0
  const view = gateway.stores.replica()
  const counting: Database = {
    ...view.database,
    run(statement, values) {
      // What runs by the clock beside the requests is not theirs.
      if (
        !/^(time|all_ended_sessions|sessions_ended_.+|status_list_position|eldest_status_index)$/.test(statement.name)
      )
        calls += 1
      return view.database.run(statement, values)
    },
  }
  const counted = await startTestGateway({
    clock,
    environment: { ...environment, ENCRYPTION_KEYS: gateway.environment.ENCRYPTION_KEYS },
    stores: { ...gateway.stores, ...view, database: counting, close: async () => undefined },
  })
  const forged = [
    refresh_token.replace(/.$/, (last) => (last === 'A' ? 'E' : 'A')),
    `r1.${'A'.repeat(70)}`,
    'x',
    'r1.',
    refresh_token.slice(0, -1),
  ]
  for (const token of forged) await expectRefused(refresh(token, counted), 401, 'A0230')
  for (const token of forged) await expectRefused(counted.post('/api/logout', { refresh_token: token }), 401, 'A0230')
  expect(calls).toBe(0)
  expect((await refresh(refresh_token, counted)).status).toBe(200)
  expect(calls).toBe(1)
})

describe('the limits', () => {
  test('a session that is not refreshed for the idle time ends', async () => {
    const { refresh_token, refresh_expires_in } = await loggedIn()
    expect(refresh_expires_in).toBe(IDLE)
    clock.advance(IDLE)
    await expectRefused(refresh(refresh_token), 401, 'A0230')
  })

  test('each refresh renews the idle time, up to the absolute limit and never over it', async () => {
    let { refresh_token } = await loggedIn()
    const left: number[] = []
    for (let used = 0; used < 2; used += 1) {
      clock.advance(IDLE - 1)
      const { body } = await refresh(refresh_token)
      left.push(body.data.refresh_expires_in)
      refresh_token = body.data.refresh_token
    }
    expect(left).toEqual([IDLE, ABSOLUTE - 2 * (IDLE - 1)])
    clock.advance(ABSOLUTE - 2 * (IDLE - 1))
    await expectRefused(refresh(refresh_token), 401, 'A0230')
  })
})

test.each([
  ['suspended', 'A0202'],
  ['erased', 'A0203'],
])('a user who is %s gets no tokens', async (status, code) => {
  const { refresh_token, user_id } = await loggedIn()
  await rows(`update users set status = '${status}' where id = $1`, [user_id])
  await expectRefused(refresh(refresh_token), 403, code)
})

describe('logout', () => {
  test.each<
    [string, (tokens: Awaited<ReturnType<typeof loggedIn>>, on: TestGateway) => ReturnType<TestGateway['call']>]
  >([
    ['by refresh token', ({ refresh_token }, on) => on.post('/api/logout', { refresh_token })],
    ['by access token', ({ token }, on) => on.call('POST', '/api/logout', { token })],
    ['by access token, with an empty object', ({ token }, on) => on.call('POST', '/api/logout', { token, body: {} })],
  ])('%s ends the session once, is audited, and may be repeated', async (_what, logout) => {
    const tokens = await loggedIn()
    for (const replica of [gateway, other])
      expect((await logout(tokens, replica)).body).toMatchObject({ code: '00000', data: null })
    await expectRefused(refresh(tokens.refresh_token), 401, 'A0230')
    expect((await sessionRow(sidOf(tokens.token)))?.end_reason).toBe('logout')
    expect(await auditedOf(sidOf(tokens.token))).toEqual(['login', 'session_ended'])
  })

  test('without any token, or with one that is not ours, is A0230', async () => {
    await expectRefused(gateway.call('POST', '/api/logout'), 401, 'A0230')
    await expectRefused(gateway.call('POST', '/api/logout', { token: 'not.a.token' }), 401, 'A0230')
  })

  test('of one session leaves the others of the same person alone', async () => {
    const [one, two] = [await gateway.login('of two'), await gateway.login('of two')]
    await gateway.post('/api/logout', { refresh_token: one.body.data.refresh_token })
    expect((await refresh(two.body.data.refresh_token)).status).toBe(200)
  })
})
