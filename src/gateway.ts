/** The composition root: every part of the gateway is made here and handed what it needs. */
import type { Hono } from 'hono'
import { createApp } from './app.ts'
import { createAudit } from './audit/audit.ts'
import type { Clock } from './clock.ts'
import type { Config } from './config.ts'
import { createSealer } from './crypto/seal.ts'
import type { GatewayEnv } from './http/context.ts'
import { limitByAddress } from './http/limit.ts'
import { type Job, startJobs } from './jobs.ts'
import { createKeyRing } from './keys/ring.ts'
import { documentRoutes } from './keys/routes.ts'
import { createKeyStore } from './keys/store.ts'
import { createLogin } from './login/login.ts'
import { createReplay } from './login/replay.ts'
import { loginRoutes } from './login/routes.ts'
import { createLoginStore } from './login/store.ts'
import { metricsRoutes } from './observability/gauges.ts'
import { healthRoutes } from './observability/health.ts'
import type { Log } from './observability/log.ts'
import { createMetrics, type Metrics } from './observability/metrics.ts'
import type { Tracing } from './observability/tracing.ts'
import type { Send } from './platforms/fetch-json.ts'
import { createApps } from './platforms/registry.ts'
import { withResilience } from './platforms/resilience.ts'
import { createWechat } from './platforms/wechat.ts'
import { createRateLimits } from './rate-limit/rate-limit.ts'
import { statusReference } from './revocation/status-list.ts'
import { createRefreshTokens } from './sessions/refresh-token.ts'
import { sessionRoutes } from './sessions/routes.ts'
import { createSessions } from './sessions/sessions.ts'
import { createSessionStore } from './sessions/store.ts'
import type { Cache } from './storage/cache.ts'
import { type Database, isDatabaseUnavailable } from './storage/database.ts'
import { pendingMigrations } from './storage/migrate.ts'
import { createAccessTokens } from './tokens/access-token.ts'
import { createUserStore } from './users/store.ts'
import { createVault } from './vault/vault.ts'

export type GatewayParts = {
  config: Config
  database: Database
  cache: Cache
  send: Send
  clock: Clock
  log: Log
  metrics?: Metrics
  tracing?: Tracing | undefined
}

export type Gateway = {
  publicApp: Hono<GatewayEnv>
  internalApp: Hono<GatewayEnv>
  /** Loads the signing keys, waiting for the database as long as it takes, and starts the timed tasks. */
  start(): Promise<void>
  /** From now on not ready; what is in flight goes on. */
  drain(): void
  close(): Promise<void>
}

const START_RETRY_MS = 500

export function createGateway({
  config,
  database,
  cache,
  send,
  clock,
  log,
  metrics = createMetrics(),
  tracing,
}: GatewayParts): Gateway {
  const now = () => clock.now()
  const sealer = createSealer(config.encryptionKeys)
  const audit = createAudit({
    kysely: database.kysely,
    onError: (error, lost) => log.error({ error, lost }, 'audit events were lost'),
  })

  const wechat = withResilience({
    platform: createWechat({ send: tracedSend(send, tracing), apiBase: config.wechatApiBase }),
    maxConcurrency: config.upstreamMaxConcurrency,
    onCall(platform, operation, outcome, seconds) {
      metrics.upstream.inc({ platform, operation, outcome })
      if (outcome !== 'busy') metrics.upstreamSeconds.observe({ platform, operation }, seconds)
    },
    onBreaker(platform, open) {
      metrics.breakerOpen.set({ dependency: platform }, open ? 1 : 0)
      log.warn(
        { platform, open },
        open ? 'ALERT: the platform keeps failing, calls are held back' : 'the platform is back',
      )
    },
  })
  metrics.breakerOpen.set({ dependency: wechat.name }, 0)
  const apps = createApps({ apps: config.apps, platforms: [wechat] })

  const limits = config.rateLimit
    ? createRateLimits({ cache, config, onRefused: (limit) => metrics.rateLimited.inc({ limit }) })
    : undefined

  const ring = createKeyRing({
    store: createKeyStore(database),
    sealer,
    clock,
    schedule: {
      alg: config.signingAlgorithm,
      rotationSeconds: config.signingKeyRotationSeconds,
      publishAheadSeconds: config.signingKeyPublishAheadSeconds,
      jwksMaxAgeSeconds: config.jwksMaxAgeSeconds,
      tokenTtlSeconds: Math.max(
        config.accessTokenTtlSeconds,
        ...config.apps.map((app) => app.accessTokenTtlSeconds ?? 0),
      ),
    },
  })
  const accessTokens = createAccessTokens({
    ring,
    clock,
    issuer: config.issuer,
    type: config.accessTokenType,
    audiences: [...new Set([...config.audience, ...config.apps.flatMap((app) => app.audience ?? [])])],
    statusOf: statusReference(config.issuer),
  })

  const sessions = createSessions({
    store: createSessionStore({ database, now, reuseIntervalSeconds: config.refreshReuseIntervalSeconds }),
    accessTokens,
    refreshTokens: createRefreshTokens({ sealer }),
    apps,
    clock,
    config,
    onRefresh: (outcome) => metrics.refreshes.inc({ outcome }),
  })
  const login = createLogin({
    apps,
    replay: createReplay({ cache, sealer, clock }),
    vault: createVault({ cache, sealer, ttlSeconds: config.sessionKeyTtlSeconds }),
    store: createLoginStore({ database, now }),
    users: createUserStore(database),
    sessions,
    audit,
    clock,
    perOpenid: limits?.loginPerOpenid,
    onLogin: (platform, outcome) => metrics.logins.inc({ platform, outcome }),
    onVaultLost: (error) => log.warn({ error }, 'a session_key was not kept: the cache is away'),
  })

  let draining = false
  const common = {
    log,
    metrics,
    trustedProxyHops: config.trustedProxyHops,
    draining: () => draining,
    tracing: tracing?.middleware,
  }
  const dependencies = () =>
    ({
      postgres: database.available() ? 'up' : 'down',
      redis: cache.available() ? 'up' : 'down',
    }) as const

  const publicApp = createApp({
    ...common,
    listener: 'public',
    routes: [
      ...loginRoutes({ login, limit: limitByAddress(limits?.loginPerAddress) }),
      ...sessionRoutes({ sessions, accessTokens, limit: limitByAddress(limits?.refreshPerAddress) }),
    ],
    subApps: [],
    documents: [documentRoutes({ ring, issuer: config.issuer, jwksMaxAgeSeconds: config.jwksMaxAgeSeconds })],
  })
  const internalApp = createApp({
    ...common,
    listener: 'internal',
    routes: [],
    subApps: [],
    documents: [
      metricsRoutes({
        metrics,
        sources: {
          now,
          pool: database.pool,
          dependencies,
          keys: ring.list,
          rotationSeconds: config.signingKeyRotationSeconds,
        },
      }),
      healthRoutes({
        notReady: () => (draining ? 'draining' : ring.ready() ? undefined : 'signing keys are not loaded yet'),
        dependencies,
      }),
    ],
  })

  /** Asks, so that an outage is noticed while nobody else does. */
  async function probeDependencies(): Promise<void> {
    await Promise.all([database.run({ name: 'ping', text: 'select 1' }, []), cache.get('ping')])
  }
  const jobs: Job[] = [
    { name: 'signing-keys', everyMs: ring.tickEveryMs, run: () => ring.tick() },
    { name: 'dependency-probe', everyMs: 5000, run: probeDependencies },
  ]
  let running: ReturnType<typeof startJobs> | undefined

  return {
    publicApp,
    internalApp,
    async start() {
      while (!draining) {
        try {
          const pending = await pendingMigrations(database.kysely)
          if (pending.length === 0) break
          log.warn({ pending }, 'waiting for the database schema: run `npm run migrate`')
        } catch (error) {
          if (!isDatabaseUnavailable(error)) throw error
          log.warn({ error }, 'waiting for PostgreSQL')
        }
        await new Promise((resolve) => setTimeout(resolve, START_RETRY_MS))
      }
      await ring.tick()
      running = startJobs({
        jobs,
        onSuccess: (job) => metrics.jobSuccess.set({ task: job }, clock.now().getTime() / 1000),
        onError: (job, error) => log.error({ job, error }, 'job failed'),
      })
    },
    drain() {
      draining = true
    },
    async close() {
      await running?.stop()
      await audit.flush()
      await Promise.all([database.close(), cache.close()])
    },
  }
}

const tracedSend = (send: Send, tracing: Tracing | undefined): Send =>
  tracing ? (request) => tracing.span(`platform ${request.operation}`, () => send(request)) : send
