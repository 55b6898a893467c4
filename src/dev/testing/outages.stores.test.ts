/** The contract's table of dependencies that are down, row by row, on servers that are killed, frozen and restarted. */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, inject, test, vi } from 'vitest'
import { createUndiciSender } from '../../server/platforms/fetch-json.ts'
import { type Listener, listen } from '../../server/serve/listeners.ts'
import { createRedisCache } from '../../server/storage/cache.redis.ts'
import { createPostgres } from '../../server/storage/database.ts'
import { migrate } from '../../server/storage/migrate.ts'
import { startPostgres } from '../services/postgres.ts'
import { startRedis } from '../services/redis.ts'
import type { Service } from '../services/service.ts'
import { createWechatSimulator, type Fault } from '../simulator/wechat.ts'
import { APP_SECRET, APPID, startTestGateway, type TestGateway } from './test-gateway.ts'

/** What does not need the dependency stays this fast, on a machine that is busy with other tests. */
const UNRELATED_MS = 1500
/** No request waits longer than this, whatever hangs. */
const ANY_MS = 6000
const RECOVERY_MS = 10_000

type Endpoint =
  | 'jwks'
  | 'metadata'
  | 'status list'
  | 'login'
  | 'refresh'
  | 'profile'
  | 'open data'
  | 'phone by data'
  | 'phone by code'
  | 'verify'
  | 'introspection'
const SERVICE_TOKEN = 'a-service-token-for-open-data-0000000000'

type Expected = { status: number; code?: string | undefined; withinMs: number }

const serves: Expected = { status: 200, withinMs: UNRELATED_MS }
const works: Expected = { status: 200, code: '00000', withinMs: UNRELATED_MS }
const storeIsDown: Expected = { status: 503, code: 'B0320', withinMs: ANY_MS }
/** In a form of its own, for proxies and OAuth. */
const saysItIsDown: Expected = { status: 503, code: undefined, withinMs: ANY_MS }

/** The table of the contract, section 8. A new endpoint is a line here, and how to call it below. */
const table = {
  postgres: {
    jwks: serves,
    metadata: serves,
    'status list': serves,
    login: storeIsDown,
    refresh: storeIsDown,
    profile: storeIsDown,
    'open data': storeIsDown,
    'phone by data': storeIsDown,
    'phone by code': storeIsDown,
    verify: saysItIsDown,
    introspection: saysItIsDown,
  },
  redis: {
    jwks: serves,
    metadata: serves,
    'status list': serves,
    login: works,
    refresh: works,
    profile: works,
    'open data': storeIsDown,
    'phone by data': storeIsDown,
    'phone by code': works,
    verify: serves,
    introspection: serves,
  },
} satisfies Record<string, Record<Endpoint, Expected>>

const wechatRows: { when: string; fault: Fault; login: Expected }[] = [
  { when: 'hangs', fault: { delayMs: 30_000 }, login: { status: 504, code: 'C0200', withinMs: 5000 } },
  { when: 'drops connections', fault: { drop: true }, login: { status: 502, code: 'C0001', withinMs: 5000 } },
  { when: 'answers HTML', fault: { body: '<html>502</html>' }, login: { status: 502, code: 'C0001', withinMs: 5000 } },
  {
    when: 'answers half a JSON',
    fault: { body: '{"openid":"o' },
    login: { status: 502, code: 'C0001', withinMs: 5000 },
  },
  { when: 'answers 503', fault: { httpStatus: 503 }, login: { status: 502, code: 'C0001', withinMs: 5000 } },
  { when: 'is busy (-1)', fault: { errcode: -1 }, login: { status: 502, code: 'C0001', withinMs: 5000 } },
  { when: 'is slow', fault: { delayMs: 1200 }, login: { status: 200, code: '00000', withinMs: 5000 } },
]

describe.runIf(inject('stores') === 'real')('while a dependency is down', () => {
  const simulator = createWechatSimulator({ apps: [{ appid: APPID, secret: APP_SECRET }] })
  const sender = createUndiciSender()
  let services: Record<keyof typeof table, Service>
  let wechat: Listener
  let gateway: TestGateway
  let refreshToken: string
  let token: string
  let userId: string
  let person: string
  let people = 0

  beforeAll(async () => {
    const [postgres, redis] = await Promise.all([startPostgres(), startRedis()])
    services = { postgres, redis }
    wechat = await listen(simulator.app, { host: '127.0.0.1', port: 0 })
    const stores = {
      kind: 'real' as const,
      database: createPostgres({ url: postgres.url, poolMax: 8 }),
      cache: createRedisCache({ url: redis.url }),
      databaseUrl: postgres.url,
      redisUrl: redis.url,
      replica: () => expect.fail('one replica is enough here'),
      close: async () => undefined,
    }
    await migrate(stores.database.kysely)
    await vi.waitFor(() => expect(stores.cache.available()).toBe(true))
    gateway = await startTestGateway({
      stores,
      simulator,
      send: sender.send,
      environment: {
        WECHAT_API_BASE: wechat.url,
        // On, so that counting is part of what must survive; the limits themselves are tested elsewhere.
        RATE_LIMIT: 'on',
        RATE_LIMIT_LOGIN_PER_ADDRESS: '1000000/60',
        RATE_LIMIT_REFRESH_PER_ADDRESS: '1000000/60',
        PHONE_DAILY_LIMIT: '1000',
        PHONE_SHARED: 'on',
        ADMIN_TOKENS: `orders:open-data+introspect:${SERVICE_TOKEN}`,
      },
    })
    await renewSession()
  }, 60_000)

  afterAll(async () => {
    await gateway?.close()
    await Promise.all([services?.postgres.stop(), services?.redis.stop(), sender.close(), wechat?.close(0)])
  })

  afterEach(async () => {
    simulator.clearFaults()
    for (const service of Object.values(services)) service.thaw()
    await recovery()
  })

  const call: Record<Endpoint, () => Promise<{ status: number; code: string | undefined; headers: Headers }>> = {
    jwks: () => get('/.well-known/jwks.json'),
    metadata: () => get('/.well-known/openid-configuration'),
    'status list': () => get('/status-lists/0'),
    login: () => post('/api/login', { code: simulator.login(APPID, `person ${people++}`) }),
    refresh: () => post('/api/refresh', { refresh_token: refreshToken }),
    profile: () => asUser('GET', '/api/user'),
    'phone by data': () => asUser('POST', '/api/user/phone', simulator.phoneData(APPID, person)),
    'phone by code': () => asUser('POST', '/api/user/phone', { code: simulator.phoneCode(APPID, person) }),
    verify: async () => {
      const { status, headers } = await gateway.internalApp.request('/verify', {
        headers: { authorization: `Bearer ${token}` },
      })
      expect(headers.get('x-auth-user-id')).toBe(status === 200 ? userId : null)
      return { status, headers, code: undefined }
    },
    introspection: async () => {
      const { status, headers } = await gateway.internalApp.request('/oauth2/introspect', {
        method: 'POST',
        headers: { authorization: `Bearer ${SERVICE_TOKEN}` },
        body: new URLSearchParams({ token }),
      })
      return { status, headers, code: undefined }
    },
    'open data': async () => {
      const reply = await gateway.internalApp.request('/internal/open-data', {
        method: 'POST',
        headers: { authorization: `Bearer ${SERVICE_TOKEN}`, 'content-type': 'application/json' },
        body: JSON.stringify({ user_id: userId, appid: APPID, ...simulator.phoneData(APPID, person) }),
      })
      return { status: reply.status, headers: reply.headers, code: ((await reply.json()) as { code: string }).code }
    },
  }
  const endpoints = Object.keys(call) as Endpoint[]

  async function get(path: string) {
    const { status, headers } = await gateway.publicApp.request(path)
    return { status, headers, code: undefined }
  }
  async function asUser(method: string, path: string, body?: object) {
    const reply = await gateway.call(method, path, { token, ...(body ? { body } : {}) })
    return { status: reply.status, headers: reply.headers, code: reply.body.code }
  }
  async function post(path: string, body: object) {
    const reply = await gateway.post(path, body)
    return { status: reply.status, headers: reply.headers, code: reply.body.code }
  }

  /** Waits until everything works again: both stores are up, and then a new person logs in. */
  const recovery = () => vi.waitFor(renewSession, { timeout: RECOVERY_MS, interval: 100 })
  async function renewSession(): Promise<void> {
    // First: a login without the cache works, and keeps no session_key.
    for (const dependency of Object.keys(table)) expect(await gauge('gateway_dependency_up', dependency)).toBe(1)
    const name = `person ${people++}`
    const { body } = await gateway.login(name)
    expect(body.code).toBe('00000')
    refreshToken = body.data.refresh_token
    token = body.data.token
    userId = body.data.user_id
    person = name
  }

  async function check(endpoint: Endpoint, { status, code, withinMs }: Expected): Promise<void> {
    const startedAt = performance.now()
    const reply = await call[endpoint]()
    const tookMs = performance.now() - startedAt
    expect({ endpoint, status: reply.status, code: reply.code }).toEqual({ endpoint, status, code })
    expect(tookMs, `${endpoint} took ${Math.round(tookMs)} ms`).toBeLessThan(withinMs)
    if (status === 503) expect(Number(reply.headers.get('retry-after'))).toBeGreaterThan(0)
  }

  async function gauge(name: string, dependency: string): Promise<number> {
    const text = await (await gateway.internalApp.request('/metrics')).text()
    return Number(new RegExp(`^${name}\\{dependency="${dependency}"\\} (\\d)$`, 'm').exec(text)?.[1])
  }

  describe.each(['postgres', 'redis'] as const)('%s', (dependency) => {
    const expected = table[dependency]

    test('killed: every endpoint answers as the table says, and the start of another server is enough to recover', async () => {
      await services[dependency].kill()
      await Promise.all(endpoints.map((endpoint) => check(endpoint, expected[endpoint])))
      // The second time nobody has to find out.
      await Promise.all(endpoints.map((endpoint) => check(endpoint, { ...expected[endpoint], withinMs: UNRELATED_MS })))
      await vi.waitFor(async () => expect(await gauge('gateway_dependency_up', dependency)).toBe(0), { timeout: 5000 })
      await services[dependency].restart()
      await recovery()
      await Promise.all(endpoints.map((endpoint) => check(endpoint, { ...works, code: codeOf(endpoint) })))
    })

    test('frozen: every endpoint answers as the table says, unrelated ones stay fast, and thawing is enough to recover', async () => {
      services[dependency].freeze()
      await Promise.all(endpoints.map((endpoint) => check(endpoint, expected[endpoint])))
      await Promise.all(endpoints.map((endpoint) => check(endpoint, { ...expected[endpoint], withinMs: UNRELATED_MS })))
      expect(await gauge('gateway_dependency_up', dependency)).toBe(0)
      services[dependency].thaw()
      await recovery()
      await Promise.all(endpoints.map((endpoint) => check(endpoint, { ...works, code: codeOf(endpoint) })))
    })

    test('frozen and then killed and started anew: the connections that froze are not waited for', async () => {
      services[dependency].freeze()
      await check('login', expected.login)
      await services[dependency].kill()
      await services[dependency].restart()
      await recovery()
    })

    test('restarted while requests keep coming: each is answered in time, and afterwards all work', async () => {
      let over = false
      const seen = new Set<string | undefined>()
      async function visitor(): Promise<void> {
        while (!over) {
          const startedAt = performance.now()
          seen.add((await call.login()).code)
          seen.add((await call.refresh()).code)
          expect(performance.now() - startedAt).toBeLessThan(2 * ANY_MS)
          await sleep(20)
        }
      }
      const visitors = Array.from({ length: 4 }, visitor)
      await services[dependency].restart()
      await sleep(1500)
      over = true
      await Promise.all(visitors)
      const allowed = dependency === 'postgres' ? ['00000', 'B0320'] : ['00000']
      expect(allowed).toEqual(expect.arrayContaining([...seen]))
    })
  })

  const codeOf = (endpoint: Endpoint) => ('code' in table.redis[endpoint] ? '00000' : undefined)

  test('a crowd in front of a frozen PostgreSQL is sent away in time, whenever each of them came', async () => {
    services.postgres.freeze()
    const crowd: Promise<void>[] = []
    for (let wave = 0; wave < 8; wave += 1) {
      for (let n = 0; n < 25; n += 1) crowd.push(check('login', storeIsDown), check('refresh', storeIsDown))
      await check('jwks', serves)
      await sleep(400)
    }
    await Promise.all(crowd)
    expect(gateway.stores.database.pool().waiting).toBe(0)
  })

  test('a crowd in front of a frozen Redis logs in all the same', async () => {
    services.redis.freeze()
    const crowd = Array.from({ length: 50 }, () => check('login', { ...works, withinMs: 3000 }))
    await Promise.all([...crowd, check('refresh', works)])
    await check('login', works)
  })

  test.each(wechatRows)('WeChat $when: login says so in time, and nothing else notices', async ({ fault, login }) => {
    simulator.fail(fault)
    await Promise.all([
      check('login', login),
      check('phone by code', login),
      check('refresh', works),
      check('profile', works),
      check('open data', works),
      check('phone by data', works),
      check('verify', serves),
      check('introspection', serves),
      check('jwks', serves),
      check('metadata', serves),
    ])
    simulator.clearFaults()
    await check('login', { ...works, withinMs: 5000 })
  })

  test('WeChat keeps hanging: further logins are shed at once with Retry-After, and it recovers by itself', async () => {
    simulator.fail({ delayMs: 30_000 })
    const patient = Array.from({ length: 15 }, () => check('login', { status: 504, code: 'C0200', withinMs: 5000 }))
    await Promise.all(patient)
    const calls = simulator.calls('/sns/jscode2session')
    const shed: Expected = { status: 503, code: 'B0210', withinMs: UNRELATED_MS }
    await Promise.all(Array.from({ length: 15 }, () => check('login', shed)))
    expect(simulator.calls('/sns/jscode2session')).toBe(calls)
    expect(await gauge('gateway_breaker_open', 'wechat')).toBe(1)
    await check('refresh', works)
    simulator.clearFaults()
    await recovery()
    expect(await gauge('gateway_breaker_open', 'wechat')).toBe(0)
  })

  test('no secret of WeChat is in a log line or a metric after all that', async () => {
    const told = gateway.logs() + (await gateway.metrics.registry.metrics())
    expect(told).toContain('B0320')
    expect(told).not.toContain(APP_SECRET)
    expect(told).not.toContain(refreshToken)
    expect(told).not.toContain('js_code')
  })
})
