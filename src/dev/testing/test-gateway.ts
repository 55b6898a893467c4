/** A whole gateway for a test: its stores, a simulated WeChat and a log that can be searched, driven by app.request. */
import { randomBytes } from 'node:crypto'
import { type Clock, systemClock } from '../../server/clock.ts'
import { type Config, loadConfig } from '../../server/config/config.ts'
import { createGateway, type Gateway } from '../../server/gateway.ts'
import { createLog } from '../../server/observability/log.ts'
import { createMetrics, type Metrics } from '../../server/observability/metrics.ts'
import type { Tracing } from '../../server/observability/tracing.ts'
import type { Send } from '../../server/platforms/fetch-json.ts'
import { PlatformError } from '../../server/platforms/platform.ts'
import type { Database } from '../../server/storage/database.ts'
import { databaseClockOf } from '../pglite.ts'
import type { PlatformSimulator } from '../simulator/other-platforms.ts'
import { createWechatSimulator, type SimulatedApp, type WechatSimulator } from '../simulator/wechat.ts'
import { openTestStores, type TestStores } from './real-stores.ts'

export const APPID = 'wx0000000000000001'
export const APP_SECRET = 'secret-of-the-first-test-app-0001'

const WECHAT_URL = 'https://api.weixin.qq.com/'

export const testEnvironment = {
  ISSUER: 'https://auth.example.com',
  DATABASE_URL: 'postgres://unused',
  REDIS_URL: 'redis://unused',
  ENCRYPTION_KEYS: `k1:${randomBytes(32).toString('base64')}`,
  WECHAT_APPID: APPID,
  WECHAT_SECRET: APP_SECRET,
  RATE_LIMIT: 'off',
} satisfies Record<string, string>

export type Reply = { status: number; headers: Headers; body: Envelope }
// biome-ignore lint/suspicious/noExplicitAny: a test reads whatever the reply holds.
export type Envelope = { code: string; msg: string; data: any; request_id?: string; fields?: Record<string, string> }

export type TestGateway = Gateway & {
  config: Config
  /** What it was configured with: another gateway on the same stores needs the same encryption keys. */
  environment: Record<string, string | undefined>
  stores: TestStores
  simulator: WechatSimulator
  metrics: Metrics
  /** Every log line so far. */
  logs(): string
  /** JSON in, envelope out. */
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<Reply>
  call(
    method: string,
    path: string,
    options?: { body?: unknown; token?: string; headers?: Record<string, string> },
  ): Promise<Reply>
  /** The same on the internal listener. */
  internal: TestGateway['call']
  login(person: string, body?: Record<string, unknown>): Promise<Reply>
  /** A second gateway on the same stores, if need be with a clock of its own: the database's stays what it is. */
  replica(environment?: Record<string, string>, own?: { clock?: Clock }): Promise<TestGateway>
}

export type TestGatewayOptions = {
  environment?: Record<string, string | undefined>
  clock?: Clock
  apps?: SimulatedApp[]
  stores?: TestStores
  simulator?: WechatSimulator
  /** Over a real network, instead of the simulator in process. */
  send?: Send
  tracing?: Tracing
  /** Other platforms, reached at https://<platform>.test. */
  otherPlatforms?: PlatformSimulator[]
  /** Takes the calls to everything but WeChat. */
  sendElsewhere?: Send
}

export async function startTestGateway(options: TestGatewayOptions = {}): Promise<TestGateway> {
  const { environment = {}, clock = systemClock, apps = [{ appid: APPID, secret: APP_SECRET }] } = options
  const stores = options.stores ?? (await openTestStores({ clock }))
  const simulator = options.simulator ?? createWechatSimulator({ apps, clock })
  const others = new Map((options.otherPlatforms ?? []).map((other) => [`https://${other.platform}.test`, other]))
  const bases = Object.fromEntries([...others].map(([base, { platform }]) => [platform, base]))
  const withBases = others.size > 0 ? { PLATFORM_API_BASES: JSON.stringify(bases), ...environment } : environment
  const { sendElsewhere } = options
  const inProcess: Send = (request) => {
    const other = others.get(new URL(request.url).origin)
    if (other) return simulatorSend(other)(request)
    if (sendElsewhere && !request.url.startsWith(WECHAT_URL)) return sendElsewhere(request)
    return simulatorSend(simulator)(request)
  }
  const { send = inProcess, tracing } = options
  return await build(stores, { environment: withBases, clock, databaseClock: clock, simulator, send, tracing }, stores)
}

type Shared = {
  environment: Record<string, string | undefined>
  clock: Clock
  /** The database's, where the test has it in hand. */
  databaseClock: Clock
  simulator: WechatSimulator
  send: Send
  tracing: Tracing | undefined
}

async function build(
  stores: TestStores,
  shared: Shared,
  view: Pick<TestStores, 'database' | 'cache'>,
): Promise<TestGateway> {
  const { environment, clock, databaseClock, simulator, send, tracing } = shared
  const inHand = databaseClock === systemClock ? {} : { clock: databaseClockOf(databaseClock) }
  const database: Database = { ...view.database, ...inHand }
  const config = loadConfig({ ...testEnvironment, ...environment })
  const lines: string[] = []
  const log = createLog({ level: 'trace', destination: { write: (line: string) => void lines.push(line) } })
  const metrics = createMetrics()
  const gateway = await createGateway({ config, database, cache: view.cache, send, clock, log, metrics, tracing })
  await gateway.start()

  const callOn =
    (app: Gateway['publicApp']): TestGateway['call'] =>
    async (method, path, { body, token, headers = {} } = {}) => {
      const raw = typeof body === 'string' || body instanceof Uint8Array
      const reply = await app.request(path, {
        method,
        headers: {
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: raw ? (body as string) : JSON.stringify(body) }),
      })
      return { status: reply.status, headers: reply.headers, body: (await reply.json()) as Envelope }
    }
  const call = callOn(gateway.publicApp)

  return {
    ...gateway,
    config,
    environment: { ...testEnvironment, ...environment },
    stores,
    simulator,
    metrics,
    logs: () => lines.join(''),
    call,
    internal: callOn(gateway.internalApp),
    post: (path, body, headers) => call('POST', path, { body, ...(headers ? { headers } : {}) }),
    login: (person, body = {}) =>
      call('POST', '/api/login', {
        body: { code: simulator.login(String(body.appid ?? config.apps[0]?.appid), person), ...body },
      }),
    replica: (more = {}, own = {}) =>
      build(stores, { ...shared, ...own, environment: { ...environment, ...more } }, stores.replica()),
    async close() {
      await gateway.close()
      await stores.close().catch(() => undefined)
    },
  }
}

/** Calls a simulator in process, with the time limit and the typed failures of the real sender. */
export function simulatorSend(simulator: { fetch(request: Request): Promise<Response> }): Send {
  return async ({ operation, method, url, headers, body, binary, timeoutMs }) => {
    try {
      const request = new Request(url, {
        method,
        signal: AbortSignal.timeout(timeoutMs),
        ...(headers ? { headers } : {}),
        ...(body === undefined ? {} : { body }),
      })
      const reply = await simulator.fetch(request)
      if (!binary) return { status: reply.status, text: await reply.text() }
      const bytes = new Uint8Array(await reply.arrayBuffer())
      return { status: reply.status, text: Buffer.from(bytes).toString('utf8'), bytes }
    } catch (error) {
      throw new PlatformError(
        operation,
        error instanceof Error && error.name === 'TimeoutError' ? 'timeout' : 'unreachable',
      )
    }
  }
}
