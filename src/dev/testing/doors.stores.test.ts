/** The optional parts are doors that cost nothing while they are shut: a plain login pays for none of them, and none is loaded. */
import { AsyncLocalStorage } from 'node:async_hooks'
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { Redis } from 'ioredis'
import pg from 'pg'
import { afterEach, expect, inject, test, vi } from 'vitest'
import { freePort } from '../services/service.ts'
import { openTestStores } from './real-stores.ts'
import { APP_SECRET, APPID, startTestGateway, type TestGateway } from './test-gateway.ts'

const server = fileURLToPath(new URL('../../server/', import.meta.url))
const OPERATOR = 'operator-operator-operator-operator-0001'
const wechat = { platform: 'wechat', appid: APPID, secret: APP_SECRET, union: 'acme' }
const shut = { APPS: JSON.stringify([wechat]), RATE_LIMIT: 'on' }
const open = {
  RATE_LIMIT: 'on',
  APPS: JSON.stringify([
    { ...wechat, push: { token: 'A'.repeat(16), encodingAesKey: 'a'.repeat(43) } },
    { ...wechat, platform: 'wechat-page', appid: 'wx00000000000000p1', redirects: ['https://www.example.com/in'] },
    { platform: 'douyin', appid: 'tt0000000000000001', secret: 's'.repeat(32) },
  ]),
  CLIENTS: '[{"id":"h5","name":"H5","kind":"web"},{"id":"pc","name":"PC","kind":"device"}]',
  WEB_ORIGINS: 'https://www.example.com',
  EVENT_TARGETS:
    '[{"id":"pushed","url":"http://127.0.0.1:9/","audience":"a","acknowledges":["erasure"]},{"id":"polls","audience":"b"}]',
  ADMIN_TOKENS: `all:admin+introspect+revoke+open-data+sign+credential+events+platform-events:${OPERATOR}`,
  AVATAR_STORE: pathToFileURL(join(tmpdir(), 'gateway-doors')).href,
}

/** What is behind each door. */
const behind = [
  'deliveries/deliveries.ts',
  'platform-events/platform-events.ts',
  'credential/credential.ts',
  'console/console.ts',
  'admin/admin-routes.ts',
  'login/oauth/oauth-login.ts',
  'login/device/device-login.ts',
  'session-key/user-signature.ts',
  'avatars/avatar-store.folder.ts',
  'avatars/avatar-image.ts',
  'platforms/wechat-oauth.ts',
  'platforms/other-platforms.ts',
]
const rooms = /^(deliveries|platform-events|credential|console|login\/(oauth|device))\//
const packages =
  /\/node_modules\/(openid-client|sharp|aws4fetch|@scalar|@opentelemetry\/sdk|@electric-sql|hono\/dist\/jsx)\b/

/** Of the request under way: background work has no such context. */
const underWay = new AsyncLocalStorage<string[]>()
function listen(): void {
  const { query } = pg.Client.prototype
  vi.spyOn(pg.Client.prototype, 'query').mockImplementation(function (this: pg.Client, ...given: unknown[]) {
    const [asked] = given as [string | { name?: string; text?: string }]
    underWay.getStore()?.push(`sql ${typeof asked === 'string' ? asked : (asked.name ?? asked.text)}`)
    return Reflect.apply(query, this, given)
  })
  const { sendCommand } = Redis.prototype
  vi.spyOn(Redis.prototype, 'sendCommand').mockImplementation(function (this: Redis, ...given) {
    underWay.getStore()?.push(`redis ${given[0].name}`)
    return Reflect.apply(sendCommand, this, given)
  })
}
const closing: (() => Promise<unknown>)[] = []
afterEach(async () => {
  vi.restoreAllMocks()
  for (const close of closing.splice(0).reverse()) await close()
})

/** A known person logs in and refreshes once more, after all that happens once has happened. */
async function costs(environment: Record<string, string>) {
  const gateway = await startTestGateway({
    environment: { WECHAT_APPID: undefined, WECHAT_SECRET: undefined, ...environment },
  })
  closing.push(() => gateway.close())
  const login = async () => (await gateway.login('plain', { appid: APPID })).body.data
  const { refresh_token } = await login()
  const [renewed] = await told(() => gateway.post('/api/refresh', { refresh_token }))
  const before = await eventsOf(gateway)
  const [, ofLogin] = await told(login)
  const { body } = renewed
  const [, ofRefresh] = await told(() => gateway.post('/api/refresh', { refresh_token: body.data.refresh_token }))
  return { login: ofLogin, refresh: ofRefresh, events: (await eventsOf(gateway)) - before }
}
async function told<Result>(work: () => Promise<Result>): Promise<[Result, string[]]> {
  const calls: string[] = []
  return [await underWay.run(calls, work), calls.sort()]
}
async function eventsOf({ stores }: TestGateway): Promise<number> {
  const text = "select count(*)::int as n from events where kind <> 'user.created'"
  return (await stores.database.run<{ n: number }>({ name: 'count_events', text }, []))[0]?.n ?? 0
}

test.runIf(inject('stores') === 'real')(
  'a plain login and a refresh send the same statements and Redis commands with every door open as with all shut',
  async () => {
    listen()
    const [plain, all] = [await costs(shut), await costs(open)]
    expect(plain.login.filter((call) => call.startsWith('sql '))).toHaveLength(1)
    expect(plain.refresh.filter((call) => call.startsWith('sql '))).toHaveLength(1)
    expect(plain.login.some((call) => call.startsWith('redis '))).toBe(true)
    expect(all).toEqual(plain)
  },
)

/** Runs before everything else and answers, when asked, what has been loaded. */
const WATCH = `data:text/javascript,${encodeURIComponent(`
  import { registerHooks } from 'node:module'
  const loaded = []
  registerHooks({ load(url, context, next) { loaded.push(url); return next(url, context) } })
  process.on('message', () => process.send(loaded))
`)}`

/** What `npm start` has loaded once it is ready. */
async function loadedBy(environment: Record<string, string>, stores: { databaseUrl: string; redisUrl: string }) {
  const [port, adminPort] = [await freePort(), await freePort()]
  const env = {
    ...{ NODE_ENV: 'production', HOST: '127.0.0.1', ADMIN_HOST: '127.0.0.1', SHUTDOWN_DELAY_SECONDS: '0' },
    ...{ ISSUER: `http://127.0.0.1:${port}`, PORT: String(port), ADMIN_PORT: String(adminPort) },
    ...{ DATABASE_URL: stores.databaseUrl, REDIS_URL: stores.redisUrl },
    ENCRYPTION_KEYS: `k1:${key}`,
    ...environment,
  }
  let said = ''
  const child: ChildProcess = spawn(process.execPath, ['--import', WATCH, join(server, '../main.ts')], {
    env,
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (text) => {
      said += text
    })
  closing.push(async () => {
    if (child.exitCode === null && child.kill('SIGTERM')) await once(child, 'exit')
  })
  await vi.waitFor(
    async () => {
      if (child.exitCode !== null) throw new Error(`it ended: ${said}`)
      const reply = await fetch(`http://127.0.0.1:${adminPort}/readyz`)
      if (!reply.ok) throw new Error(`not ready: ${said}`)
    },
    { timeout: 45_000, interval: 100 },
  )
  const answer = once(child, 'message')
  child.send('')
  const urls = ((await answer) as [string[]])[0]
  const inServer = (url: string) => url.startsWith(pathToFileURL(server).href)
  return {
    server: urls.filter(inServer).map((url) => url.slice(pathToFileURL(server).href.length)),
    packages: urls.filter((url) => packages.test(url)),
  }
}
const key = randomBytes(32).toString('base64')

test.runIf(inject('stores') === 'real')(
  'a process with all doors shut has loaded nothing of what is behind them, and one with all open has all of it',
  async () => {
    const stores = await openTestStores()
    closing.push(() => stores.close())
    const [plain, all] = await Promise.all([loadedBy(shut, stores), loadedBy(open, stores)])
    expect(plain.server).toContain('gateway.ts')
    expect(plain.server.filter((file) => behind.includes(file) || rooms.test(file))).toEqual([])
    expect(plain.packages).toEqual([])
    expect(behind.filter((file) => !all.server.includes(file))).toEqual([])
  },
)
