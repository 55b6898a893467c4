/** This project's own gateway as a service under test, with periods so short that a check can wait for them. */
import { randomBytes } from 'node:crypto'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ROOT, runMigrations, startGateway } from '../chaos/site.ts'
import { startPostgres } from '../src/dev/services/postgres.ts'
import { startRedis } from '../src/dev/services/redis.ts'
import { freePort, type Service, startService } from '../src/dev/services/service.ts'
import type { App, Profile } from './profile.ts'
import { startSimulator } from './simulator.ts'

export type Site = {
  bases: string[]
  internal: string
  /** The simulated WeChat. */
  wechat: string
  /** For the {names} of the profile. */
  values: Record<string, string>
  stop(): Promise<void>
}

const REPLICAS = 2
/** What tokens say; nothing listens there, each replica is reached under its own address. */
const ISSUER = 'http://localhost:9'

type Stoppable = { stop(): Promise<void> }

const stopAll = async (parts: readonly Stoppable[]) => void (await Promise.all(parts.map((part) => part.stop())))

export function startOwn(stores: 'real' | 'embedded', profile: Profile): Promise<Site> {
  return stores === 'real' ? startReal(profile) : startEmbedded(profile)
}

async function startReal(profile: Profile): Promise<Site> {
  const stores = await Promise.all([startPostgres(), startRedis()])
  const [postgres, redis] = stores
  try {
    const site = await startReplicas({
      root: ROOT,
      replicas: REPLICAS,
      profile,
      databaseUrl: postgres.url,
      redisUrl: redis.url,
      migrate: true,
    })
    return { ...site, stop: () => stopAll([site, ...stores]) }
  } catch (error) {
    await stopAll(stores)
    throw error
  }
}

export type ReplicasOptions = {
  /** The checkout whose gateway is run. */
  root: string
  replicas: number
  profile: Profile
  databaseUrl: string
  redisUrl: string
  migrate: boolean
}

/** Replicas of the gateway and a simulated WeChat on stores that are there. */
export async function startReplicas(options: ReplicasOptions): Promise<Site> {
  const { root, replicas, profile, databaseUrl, redisUrl } = options
  const operator = randomBytes(24).toString('hex')
  const simulator = await startSimulator(profile)
  const started: Stoppable[] = [{ stop: () => simulator.close(200) }]
  const environment = {
    ...environmentOf(profile, operator),
    NODE_ENV: 'production',
    ISSUER,
    DATABASE_URL: databaseUrl,
    REDIS_URL: redisUrl,
    ENCRYPTION_KEYS: `conformance:${randomBytes(32).toString('base64')}`,
    WECHAT_API_BASE: simulator.url,
    HOST: '127.0.0.1',
    ADMIN_HOST: '127.0.0.1',
    SHUTDOWN_DELAY_SECONDS: '0',
  }
  try {
    if (options.migrate) runMigrations(root, environment)
    const adminPorts = await Promise.all(Array.from({ length: replicas }, freePort))
    const services = await Promise.all(
      adminPorts.map(async (adminPort) => {
        const service = await startGateway({ root, adminPort, environment, log: undefined })
        started.push(service)
        return service
      }),
    )
    return {
      bases: services.map(({ url }) => url),
      internal: `http://127.0.0.1:${adminPorts[0]}`,
      wechat: simulator.url,
      values: { operator },
      stop: () => stopAll(started),
    }
  } catch (error) {
    await stopAll(started)
    throw error
  }
}

/** As `npm run dev`, in a process of its own: PGlite, a cache in the process, and its simulated WeChat. */
async function startEmbedded(profile: Profile): Promise<Site> {
  const operator = randomBytes(24).toString('hex')
  const [port, adminPort, wechatPort] = [await freePort(), await freePort(), await freePort()]
  const dataDir = mkdtempSync(join(tmpdir(), 'gateway-conformance-'))
  chmodSync(dataDir, 0o700)
  const base = `http://127.0.0.1:${port}`
  const flags = { port, 'admin-port': adminPort, 'wechat-port': wechatPort, data: join(dataDir, 'data') }
  const service: Service = await startService({
    name: 'the embedded gateway',
    file: process.execPath,
    args: () => [
      join(ROOT, 'src/dev/main.ts'),
      ...Object.entries(flags).flatMap(([name, value]) => [`--${name}`, `${value}`]),
    ],
    env: environmentOf(profile, operator),
    stopSignal: 'SIGTERM',
    probe: async () => {
      const reply = await fetch(`http://127.0.0.1:${adminPort}/readyz`, { signal: AbortSignal.timeout(1000) })
      await reply.arrayBuffer()
      if (reply.status !== 200) throw new Error(`not ready: ${reply.status}`)
    },
    url: () => base,
    port,
    // PGlite is compiled at every start.
    readyTimeoutMs: 90_000,
    dataDir,
    removeData: () => rmSync(dataDir, { recursive: true, force: true }),
  })
  return {
    bases: [base],
    internal: `http://127.0.0.1:${adminPort}`,
    wechat: `http://127.0.0.1:${wechatPort}`,
    values: { operator },
    stop: () => service.stop(),
  }
}

/** What both have in common; the profile says the same periods to the checks. */
function environmentOf({ apps, refresh }: Profile, operator: string): Record<string, string> {
  const { main, sister, other, brief, quick } = apps
  const configured = (app: App | undefined, more: object = {}) =>
    app === undefined ? [] : [{ appid: app.appid, secret: app.secret, ...more }]
  return {
    PATH: process.env.PATH ?? '',
    WECHAT_APPID: main.appid,
    WECHAT_SECRET: main.secret,
    APPS: JSON.stringify([
      ...configured(main, { union: 'conformance' }),
      ...configured(sister, { union: 'conformance' }),
      ...configured(other),
      ...configured(brief, { sessionTtlSeconds: brief?.sessionSeconds }),
      ...configured(quick, { accessTokenTtlSeconds: quick?.tokenSeconds }),
    ]),
    ADMIN_TOKENS: `conformance:admin+introspect:${operator}`,
    REFRESH_REUSE_INTERVAL_SECONDS: String(refresh?.reuseSeconds ?? 2),
    STATUS_LIST_TTL_SECONDS: '2',
    ACCESS_TOKEN_TTL_SECONDS: '900',
    SESSION_LIMIT: '100',
    SIGNING_KEY_ROTATION_SECONDS: '86400',
    SIGNING_KEY_PUBLISH_AHEAD_SECONDS: '4',
    JWKS_MAX_AGE_SECONDS: '4',
    RATE_LIMIT: 'on',
    // Everybody comes from one address here; the limit of a person is the one that is looked at.
    RATE_LIMIT_LOGIN_PER_ADDRESS: '100000/60',
    RATE_LIMIT_REFRESH_PER_ADDRESS: '100000/60',
    LOG_LEVEL: 'fatal',
  }
}
