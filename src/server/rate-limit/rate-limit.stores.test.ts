/** The limits through HTTP: exact, shared by replicas, told in headers, and gone when switched off. */
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest'
import { APPID, startTestGateway, type TestGateway } from '../../dev/testing/test-gateway.ts'

const environment = {
  RATE_LIMIT: 'on',
  TRUSTED_PROXY_HOPS: '1',
  RATE_LIMIT_LOGIN_PER_ADDRESS: '3/60',
  RATE_LIMIT_LOGIN_PER_OPENID: '2/60',
  RATE_LIMIT_REFRESH_PER_ADDRESS: '2/60',
}

describe('rate limits', () => {
  let gateway: TestGateway
  let replica: TestGateway
  beforeAll(async () => {
    gateway = await startTestGateway({ environment })
    replica = await gateway.replica()
  })
  afterAll(() => gateway.close())

  let address = 0
  let from: Record<string, string>
  beforeEach(() => {
    address += 1
    from = { 'x-forwarded-for': `203.0.113.${address}` }
  })

  let people = 0
  function login(on: TestGateway, { person = `person ${people++}`, headers = from } = {}) {
    return on.post('/api/login', { code: gateway.simulator.login(APPID, person) }, headers)
  }
  const codesOf = (replies: { body: { code: string } }[]) => replies.map((reply) => reply.body.code).sort()

  test('the login after the last allowed one is refused with 429, A0501 and Retry-After, before WeChat is asked', async () => {
    for (const remaining of ['2', '1', '0']) {
      const { status, headers } = await login(gateway)
      expect([status, headers.get('ratelimit-limit'), headers.get('ratelimit-remaining')]).toEqual([
        200,
        '3',
        remaining,
      ])
      expect(Number(headers.get('ratelimit-reset'))).toBeGreaterThan(0)
      expect(Number(headers.get('ratelimit-reset'))).toBeLessThanOrEqual(60)
    }
    const calls = gateway.simulator.calls('/sns/jscode2session')
    const { status, body, headers } = await login(gateway)
    expect([status, body.code, headers.get('ratelimit-remaining')]).toEqual([429, 'A0501', '0'])
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0)
    expect(Number(headers.get('retry-after'))).toBeLessThanOrEqual(60)
    expect(gateway.simulator.calls('/sns/jscode2session')).toBe(calls)
  })

  test('of many parallel logins from one address exactly the allowed number passes, whatever replica they meet', async () => {
    const on = inject('stores') === 'real' ? [gateway, replica] : [gateway]
    const replies = await Promise.all(Array.from({ length: 20 }, (_, n) => login(on[n % on.length] ?? gateway)))
    expect(codesOf(replies)).toEqual([...Array(3).fill('00000'), ...Array(17).fill('A0501')])
  })

  test('a code whose login was refused by the limit is not spent', async () => {
    const code = gateway.simulator.login(APPID, 'refused first')
    for (let n = 0; n < 3; n += 1) await login(gateway)
    expect((await gateway.post('/api/login', { code }, from)).body.code).toBe('A0501')
    expect((await gateway.post('/api/login', { code }, { 'x-forwarded-for': '198.51.100.1' })).body.code).toBe('00000')
  })

  test('a body that fails validation is not counted', async () => {
    for (let n = 0; n < 5; n += 1) expect((await gateway.post('/api/login', {}, from)).body.code).toBe('A0400')
    expect((await login(gateway)).headers.get('ratelimit-remaining')).toBe('2')
  })

  test('an address is taken from the trusted hops only: what a client writes before them changes nothing', async () => {
    const spoofed = (n: number) => ({ 'x-forwarded-for': `10.0.0.${n}, ${from['x-forwarded-for']}` })
    const replies = []
    for (let n = 0; n < 4; n += 1) replies.push(await login(gateway, { headers: spoofed(n) }))
    expect(replies.map((reply) => reply.status)).toEqual([200, 200, 200, 429])
  })

  test('the port that a proxy adds to an address makes no new client', async () => {
    const withPort = (n: number) => ({ 'x-forwarded-for': `${from['x-forwarded-for']}:${50_000 + n}` })
    const replies = []
    for (let n = 0; n < 4; n += 1) replies.push(await login(gateway, { headers: withPort(n) }))
    expect(replies.map((reply) => reply.status)).toEqual([200, 200, 200, 429])
  })

  test('one subscriber with many IPv6 addresses is counted as one', async () => {
    const ofOne = (n: number) => ({ 'x-forwarded-for': `[2001:db8:0:${address}::${n}]:443` })
    const replies = []
    for (let n = 0; n < 4; n += 1) replies.push(await login(gateway, { headers: ofOne(n) }))
    expect(replies.map((reply) => reply.status)).toEqual([200, 200, 200, 429])
  })

  test('one client is counted as one, however its IPv4 address is written', async () => {
    const spellings = [`203.0.113.${address}`, `::FFFF:203.0.113.${address}`, `0:0:0:0:0:ffff:203.0.113.${address}`]
    const replies = []
    for (const spelling of [...spellings, `[64:ff9b::203.0.113.${address}]:443`])
      replies.push(await login(gateway, { headers: { 'x-forwarded-for': spelling } }))
    expect(replies.map((reply) => reply.status)).toEqual([200, 200, 200, 429])
  })

  test('one person logs in so often, from whatever address', async () => {
    const logins = []
    for (let n = 0; n < 3; n += 1) {
      const headers = { 'x-forwarded-for': `198.51.100.${address * 4 + n}` }
      logins.push(await login(gateway, { person: 'hasty', headers }))
    }
    expect(logins.map((reply) => reply.body.code)).toEqual(['00000', '00000', 'A0501'])
    expect(logins.at(-1)?.headers.get('retry-after')).toBeTruthy()
    expect((await login(gateway, { person: 'calm' })).body.code).toBe('00000')
  })

  test('a session that a refused login pushed beyond the limit is announced like any that ended', async () => {
    const one = await gateway.replica({ SESSION_LIMIT: '1', RATE_LIMIT_LOGIN_PER_ADDRESS: '100/60' })
    const replies = await Promise.all(Array.from({ length: 6 }, () => login(one, { person: 'hurried' })))
    expect(codesOf(replies)).toContain('A0501')
    const userId = replies.find(({ body }) => body.code === '00000')?.body.data.user_id
    const [row] = await one.stores.database.run<{ ended: number }>(
      {
        name: 'ended_by_limit',
        text: `select count(*)::int as ended from sessions where user_id = $1 and end_reason = 'limit'`,
      },
      [userId],
    )
    const { values } = await one.metrics.sessionsEnded.get()
    expect(row?.ended).toBeGreaterThan(0)
    expect(values.find(({ labels }) => labels.reason === 'limit')?.value).toBe(row?.ended)
  })

  test('refreshes are counted per address, apart from logins', async () => {
    const { body } = await login(gateway)
    const refresh = () => gateway.post('/api/refresh', { refresh_token: body.data.refresh_token }, from)
    expect([(await refresh()).status, (await refresh()).status, (await refresh()).status]).toEqual([200, 200, 429])
  })

  test('refusals are counted by limit, and no address or person is a label', async () => {
    const text = await gateway.metrics.registry.metrics()
    expect(text).toMatch(/gateway_rate_limited_total\{limit="login_per_address"\} [1-9]/)
    expect(text).toMatch(/gateway_rate_limited_total\{limit="login_per_openid"\} [1-9]/)
    expect(text).toMatch(/gateway_rate_limited_total\{limit="refresh_per_address"\} [1-9]/)
    expect(text).not.toContain('203.0.113.')
  })

  test('switched off, nothing is refused and nothing is said', async () => {
    const off = await gateway.replica({ RATE_LIMIT: 'off' })
    for (let n = 0; n < 5; n += 1) {
      const { status, headers } = await login(off)
      expect([status, headers.get('ratelimit-limit')]).toEqual([200, null])
    }
  })
})
