/** What one logged-in user may do, route by route: limited whatever the route is, so that nobody can stop the others. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openTestStores } from '../../dev/testing/real-stores.ts'
import { APPID, type Reply, startTestGateway, type TestGateway } from '../../dev/testing/test-gateway.ts'
import { systemClock } from '../clock.ts'
import type { Database } from '../storage/database.ts'

const READS = 4
const CHANGES = 3

let gateway: TestGateway
let ordinary: TestGateway
let statements = 0
beforeAll(async () => {
  const limits = { RATE_LIMIT: 'on', RATE_LIMIT_LOGIN_PER_ADDRESS: '100000/60' }
  const stores = await openTestStores({ clock: systemClock })
  const { run } = stores.database
  const database: Database = {
    ...stores.database,
    run: (...given) => {
      statements += 1
      return run(...given)
    },
  }
  gateway = await startTestGateway({
    stores: { ...stores, database },
    environment: { ...limits, RATE_LIMIT_READS_PER_USER: `${READS}/60`, RATE_LIMIT_CHANGES_PER_USER: `${CHANGES}/60` },
  })
  ordinary = await gateway.replica({ RATE_LIMIT_READS_PER_USER: '600/60', RATE_LIMIT_CHANGES_PER_USER: '60/60' })
})
afterAll(() => gateway.close())

const tokenOf = async (person: string): Promise<string> => (await gateway.login(person)).body.data.token

/** As the API lists them: a route that is added tomorrow is among them. */
const routesOf = (it: TestGateway) =>
  it.routes.public
    .filter(({ access, path }) => access === 'user' || /^\/api\/(user|sessions)\b/.test(path))
    .map(({ method, path }) => ({ method: method.toUpperCase(), path: path.replace(':sid', crypto.randomUUID()) }))

describe('every route of a user', () => {
  test('takes an access token', () => {
    const open = gateway.routes.public.filter(
      ({ access, path }) => access !== 'user' && /^\/api\/(user|sessions)\b/.test(path),
    )
    expect(open.map(({ method, path }) => `${method} ${path}`)).toEqual([])
  })

  test('is limited by user, says when to come back, and leaves other users alone', async () => {
    const routes = routesOf(gateway)
    expect(routes.length).toBeGreaterThanOrEqual(9)
    for (const { method, path } of routes) {
      const what = `${method} ${path}`
      const [token, other] = [await tokenOf(what), await tokenOf(`beside ${what}`)]
      const ask = (bearer: string) => gateway.call(method, path, { token: bearer, headers: { 'x-test': what } })
      const allowed = method === 'GET' ? READS : CHANGES
      for (let n = 0; n < allowed; n += 1) expect([what, (await ask(token)).body.code]).not.toEqual([what, 'A0501'])
      const refused = await ask(token)
      expect([what, refused.status, refused.body.code]).toEqual([what, 429, 'A0501'])
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
      expect([what, (await ask(other)).body.code]).not.toEqual([what, 'A0501'])
    }
  }, 60_000)

  test('asks no store for a user whose limit is known to be spent', async () => {
    const token = await tokenOf('spent')
    const ask = () => gateway.call('GET', '/api/user', { token })
    for (let n = 0; n <= READS; n += 1) await ask()
    const before = statements
    const replies = await Promise.all(Array.from({ length: 20 }, ask))
    expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([429]))
    expect(statements).toBe(before)
  })

  test('in a flood from one user keeps nobody from logging in and reading', async () => {
    for (const { method, path } of routesOf(ordinary)) {
      const token = await tokenOf(`flood of ${method} ${path}`)
      const flood = Array.from({ length: 300 }, () => ordinary.call(method, path, { token }))
      const others = Array.from({ length: 4 }, async (_, n): Promise<Reply> => {
        const { body } = await ordinary.login(`bystander ${n}`)
        return await ordinary.call('GET', '/api/user', { token: body.data.token })
      })
      expect([method, path, ...(await Promise.all(others)).map(({ status }) => status)]).toEqual([
        method,
        path,
        ...Array(4).fill(200),
      ])
      await Promise.all(flood)
    }
  }, 120_000)
})

describe('calls to the platform that one user causes', () => {
  const environment = {
    RATE_LIMIT_UPSTREAM_PER_USER: '3/60',
    RATE_LIMIT_CHANGES_PER_USER: '1000/60',
    TEXT_CHECK: 'on',
    PHONE_DAILY_LIMIT: '100',
  }
  type Upstream = Parameters<TestGateway['simulator']['calls']>[0]
  const acts: [string, Upstream, (it: TestGateway, token: string, person: string) => Promise<Reply>][] = [
    [
      'by codes for an erasure',
      '/sns/jscode2session',
      (it, token) => it.call('DELETE', '/api/user', { token, body: { code: crypto.randomUUID() } }),
    ],
    [
      'by texts that are checked',
      '/wxa/msg_sec_check',
      (it, token) => it.call('PATCH', '/api/user', { token, body: { signature: crypto.randomUUID() } }),
    ],
    [
      'by phone codes',
      '/wxa/business/getuserphonenumber',
      (it, token, person) =>
        it.call('POST', '/api/user/phone', { token, body: { code: it.simulator.phoneCode(APPID, person) } }),
    ],
  ]

  test.each(acts)('%s are limited by person', async (what, upstream, act) => {
    const it = await gateway.replica(environment)
    const [person, other] = [`caller ${what}`, `other caller ${what}`]
    const [token, otherToken] = [await tokenOf(person), await tokenOf(other)]
    const calls = it.simulator.calls(upstream)
    const replies = []
    for (let n = 0; n < 6; n += 1) replies.push(await act(it, token, person))
    expect(replies.map(({ body }) => body.code === 'A0501')).toEqual([false, false, false, true, true, true])
    expect(Number(replies.at(-1)?.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(it.simulator.calls(upstream)).toBe(calls + 3)
    expect((await act(it, otherToken, other)).body.code).not.toBe('A0501')
  })

  test.each(acts)('%s are limited by address, whoever they are', async (what, upstream, act) => {
    const it = await gateway.replica({
      ...environment,
      TRUSTED_PROXY_HOPS: '1',
      RATE_LIMIT_UPSTREAM_PER_ADDRESS: '2/60',
    })
    // Addresses that no other act of this test came from.
    const own = acts.findIndex(([each]) => each === what)
    const from = (ip: string): TestGateway => ({
      ...it,
      call: (method, path, options) =>
        it.call(method, path, { ...options, headers: { ...options?.headers, 'x-forwarded-for': ip } }),
    })
    const people = Array.from({ length: 5 }, (_, n) => `neighbour ${n} ${what}`)
    const tokens = await Promise.all(people.map(tokenOf))
    const calls = it.simulator.calls(upstream)
    const codes = []
    for (const n of [0, 1, 2, 3])
      codes.push((await act(from(`198.51.100.${own}`), tokens[n] ?? '', people[n] ?? '')).body.code === 'A0501')
    expect(codes).toEqual([false, false, true, true])
    expect(it.simulator.calls(upstream)).toBe(calls + 2)
    expect((await act(from(`203.0.113.${own}`), tokens[4] ?? '', people[4] ?? '')).body.code).not.toBe('A0501')
  })
})
