/** What is put under stress: a durable PostgreSQL, Redis, a simulated WeChat and gateway replicas, every one a process of its own. */

import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startPostgres } from '../src/dev/services/postgres.ts'
import { startRedis } from '../src/dev/services/redis.ts'
import { freePort, type Service, startService } from '../src/dev/services/service.ts'
import { createOwnClock, type OwnClock } from './clocks.ts'

export const STATUS_LIST_TTL_SECONDS = 2
export const REUSE_INTERVAL_SECONDS = 30
/** What tokens say; nothing listens there, the load reaches each replica under its own address. */
export const ISSUER = 'http://localhost:9'

export type Replica = {
  name: string
  service: Service
  url: string
  adminUrl: string
  /** Where it has one of its own. */
  clock?: OwnClock
}

export type Site = {
  postgres: Service
  redis: Service
  wechat: Service
  replicas: readonly Replica[]
  /** What every replica was started with, but for its ports. */
  environment: Record<string, string>
  stop(): Promise<void>
}

export type SiteOptions = {
  /** Another checkout of the gateway, whose `src/main.ts` is run; its schema is the one that is made. */
  root?: string
  replicas: number
  wechatDelayMs?: number
  /** Whether each replica but the first has a clock that can be set. */
  ownClocks?: boolean
  environment?: Record<string, string>
  /** Every line a replica logs. */
  onLog?: (replica: string, line: string) => void
}

/** This checkout. */
export const ROOT = fileURLToPath(new URL('..', import.meta.url))
const APP = { appid: 'wxchaos0000000000', secret: randomBytes(16).toString('hex') }

export async function startSite({ root = ROOT, onLog, ...options }: SiteOptions): Promise<Site> {
  const started: Service[] = []
  async function keep(starting: Promise<Service>): Promise<Service> {
    const service = await starting
    started.push(service)
    return service
  }
  const stop = async () => void (await Promise.all(started.map((service) => service.stop())))

  try {
    // fsync on: what was acknowledged must outlive a kill.
    const [postgres, redis, wechat] = await Promise.all([
      keep(startPostgres({ fsync: true })),
      keep(startRedis()),
      keep(startWechat(options.wechatDelayMs ?? 0)),
    ])
    const environment = { ...gatewayEnvironment({ postgres, redis, wechat }), ...options.environment }
    runMigrations(root, environment)
    const replicas = await Promise.all(
      Array.from({ length: options.replicas }, async (_, index): Promise<Replica> => {
        const name = `replica ${index + 1}`
        const adminPort = await freePort()
        const folder = ownFolder()
        const clock = options.ownClocks && index > 0 ? createOwnClock(folder.dataDir) : undefined
        const own = { ...environment, ...clock?.environment }
        const log = onLog && ((line: string) => onLog(name, line))
        const service = await keep(startGateway({ root, folder, adminPort, environment: own, log }))
        const adminUrl = `http://127.0.0.1:${adminPort}`
        return { name, service, url: service.url, adminUrl, ...(clock && { clock }) }
      }),
    )
    return { postgres, redis, wechat, replicas, environment, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

function gatewayEnvironment(stores: Record<'postgres' | 'redis' | 'wechat', Service>): Record<string, string> {
  return {
    PATH: process.env.PATH ?? '',
    NODE_ENV: 'production',
    ISSUER,
    DATABASE_URL: stores.postgres.url,
    REDIS_URL: stores.redis.url,
    ENCRYPTION_KEYS: `chaos:${randomBytes(32).toString('base64')}`,
    WECHAT_APPID: APP.appid,
    WECHAT_SECRET: APP.secret,
    WECHAT_API_BASE: stores.wechat.url,
    HOST: '127.0.0.1',
    ADMIN_HOST: '127.0.0.1',
    RATE_LIMIT: 'off',
    LOG_LEVEL: 'error',
    SESSION_LIMIT: '1000',
    ACCESS_TOKEN_TTL_SECONDS: '120',
    REFRESH_REUSE_INTERVAL_SECONDS: String(REUSE_INTERVAL_SECONDS),
    STATUS_LIST_TTL_SECONDS: String(STATUS_LIST_TTL_SECONDS),
    // Keys change several times within a run, outages or not.
    SIGNING_KEY_ROTATION_SECONDS: '90',
    SIGNING_KEY_PUBLISH_AHEAD_SECONDS: '40',
    JWKS_MAX_AGE_SECONDS: '10',
    SHUTDOWN_DELAY_SECONDS: '2',
  }
}

/** As `npm run migrate` does; answers what it printed. */
export function runMigrations(root: string, environment: Record<string, string>): string {
  const done = spawnSync(process.execPath, [join(root, 'src/migrate.ts')], {
    env: environment,
    encoding: 'utf8',
  })
  if (done.status !== 0) throw new Error(`the migration failed:\n${done.stdout}${done.stderr}`)
  return done.stdout
}

/** One replica, as `npm start` runs it. */
export async function startGateway(parts: {
  root: string
  folder?: OwnFolder
  adminPort: number
  environment: Record<string, string>
  log: ((line: string) => void) | undefined
}): Promise<Service> {
  const port = await freePort()
  return startService({
    ...(parts.folder ?? ownFolder()),
    name: 'the gateway',
    file: process.execPath,
    // From the sources, which need no build: the bundle has a test of its own.
    args: () => ['--max-semi-space-size=32', join(parts.root, 'src/main.ts')],
    env: { ...parts.environment, PORT: String(port), ADMIN_PORT: String(parts.adminPort) },
    stopSignal: 'SIGTERM',
    probe: () => answersOk(`http://127.0.0.1:${parts.adminPort}/readyz`),
    url: (own) => `http://127.0.0.1:${own}`,
    port,
    log: parts.log,
  })
}

const startWechat = (delayMs: number): Promise<Service> =>
  startService({
    ...ownFolder(),
    name: 'the simulated WeChat',
    file: process.execPath,
    args: (port) => [
      join(ROOT, 'src/dev/simulator/main.ts'),
      ...['--port', String(port), '--app', `${APP.appid}:${APP.secret}`, '--delay-ms', String(delayMs)],
    ],
    stopSignal: 'SIGTERM',
    probe: (port) => answersOk(`http://127.0.0.1:${port}/simulator/stats`),
    url: (port) => `http://127.0.0.1:${port}`,
  })

async function answersOk(url: string): Promise<void> {
  const reply = await fetch(url, { signal: AbortSignal.timeout(1000) })
  await reply.arrayBuffer()
  if (reply.status !== 200) throw new Error(`${url} answers ${reply.status}`)
}

type OwnFolder = { dataDir: string; removeData: () => void }

function ownFolder(): OwnFolder {
  const dataDir = mkdtempSync(join(tmpdir(), 'gateway-chaos-'))
  chmodSync(dataDir, 0o700)
  return { dataDir, removeData: () => rmSync(dataDir, { recursive: true, force: true }) }
}
