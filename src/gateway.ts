/** The composition root: every part of the gateway is made here and handed what it needs. */
import type { Hono } from 'hono'
import packageJson from '../package.json' with { type: 'json' }
import { createApp } from './app.ts'
import { createAudit } from './audit/audit.ts'
import type { Clock } from './clock.ts'
import type { Config } from './config.ts'
import { createSealer } from './crypto/seal.ts'
import { createHousekeeping } from './housekeeping/housekeeping.ts'
import { createHousekeepingStore } from './housekeeping/store.ts'
import type { GatewayEnv } from './http/context.ts'
import { docsRoutes } from './http/docs.ts'
import { limitByAddress } from './http/limit.ts'
import { describeApi } from './http/openapi.ts'
import type { Route } from './http/route.ts'
import { type Job, startJobs } from './jobs.ts'
import { createKeyRing } from './keys/ring.ts'
import { documentRoutes } from './keys/routes.ts'
import { createKeyStore } from './keys/store.ts'
import { createLogin } from './login/login.ts'
import { createReplay } from './login/replay.ts'
import { loginRoutes } from './login/routes.ts'
import { createLoginStore } from './login/store.ts'
import { healthRoutes } from './observability/health.ts'
import type { Log } from './observability/log.ts'
import { createMetrics, type Metrics } from './observability/metrics.ts'
import { metricsRoutes } from './observability/routes.ts'
import type { Tracing } from './observability/tracing.ts'
import { observeUpstream } from './observability/upstream.ts'
import { type Send, traceSend } from './platforms/fetch-json.ts'
import { createApps } from './platforms/registry.ts'
import { withResilience } from './platforms/resilience.ts'
import { createSisters } from './platforms/sisters.ts'
import { createWechat } from './platforms/wechat.ts'
import { createRateLimits } from './rate-limit/rate-limit.ts'
import { createStatusLists } from './revocation/publisher.ts'
import { statusListRoutes } from './revocation/routes.ts'
import { createSessionEvents } from './revocation/session-events.ts'
import { statusReference } from './revocation/status-list.ts'
import { createStatusStore } from './revocation/store.ts'
import { createRefreshTokens } from './sessions/refresh-token.ts'
import { sessionRoutes } from './sessions/routes.ts'
import { createSessions, type SessionEnds } from './sessions/sessions.ts'
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
  /** In development the API description is served to the public too. */
  docsOnPublic?: boolean
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
const CACHE_WAIT_MS = 1000
const CACHE_POLL_MS = 20

export function createGateway(parts: GatewayParts): Gateway {
  const { config, database, cache, send, clock, log, metrics = createMetrics(), docsOnPublic = false, tracing } = parts
  const now = () => clock.now()
  const sealer = createSealer(config.encryptionKeys)
  const audit = createAudit({
    kysely: database.kysely,
    onError: (error, lost) => log.error({ error, lost }, 'audit events were lost'),
  })

  const traced = traceSend(send, tracing?.span)
  const wechat = createWechat({ send: traced, apiBase: config.wechatApiBase })
  const upstream = { apps: config.apps, send: traced, cache, sealer, clock }
  const sisters = createSisters({ ...upstream, apiBases: config.platformApiBases })
  const platforms = [wechat, ...sisters].map((platform) =>
    withResilience({
      platform,
      maxConcurrency: config.upstreamMaxConcurrency,
      ...observeUpstream({ platform: platform.name, metrics, log }),
    }),
  )
  const apps = createApps({ apps: config.apps, platforms })

  const limits = config.rateLimit
    ? createRateLimits({ cache, config, onRefused: (limit) => metrics.rateLimited.inc({ limit }) })
    : undefined

  /** The longest life of an access token of any app. */
  const tokenTtlSeconds = Math.max(
    config.accessTokenTtlSeconds,
    ...config.apps.map((app) => app.accessTokenTtlSeconds ?? 0),
  )
  const ring = createKeyRing({
    store: createKeyStore(database),
    sealer,
    clock,
    schedule: {
      alg: config.signingAlgorithm,
      rotationSeconds: config.signingKeyRotationSeconds,
      publishAheadSeconds: config.signingKeyPublishAheadSeconds,
      jwksMaxAgeSeconds: config.jwksMaxAgeSeconds,
      tokenTtlSeconds,
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

  const statusLists = createStatusLists({
    store: createStatusStore(database),
    ring,
    clock,
    issuer: config.issuer,
    ttlSeconds: config.statusListTtlSeconds,
    onError: (error) => log.error({ error }, 'status lists were not published'),
  })
  const sessionEvents = createSessionEvents({
    cache,
    clock,
    tokenTtlSeconds,
    onLost: (error) => log.warn({ error }, 'a session-ended event was lost: the cache is away'),
  })
  const sessionsEnded: SessionEnds = (ended, reason) => {
    metrics.sessionsEnded.inc({ reason }, ended.length)
    statusLists.markEnded(ended.map((session) => session.statusIndex))
    sessionEvents.publish(ended, reason)
  }

  const sessions = createSessions({
    store: createSessionStore({ database, now, reuseIntervalSeconds: config.refreshReuseIntervalSeconds }),
    accessTokens,
    refreshTokens: createRefreshTokens({ sealer }),
    apps,
    clock,
    config,
    onRefresh: (outcome) => metrics.refreshes.inc({ outcome }),
    onEnded: sessionsEnded,
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

  const housekeeping = createHousekeeping({
    store: createHousekeepingStore(database),
    clock,
    tokenTtlSeconds,
    auditRetentionMonths: config.auditRetentionMonths,
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

  const publicRoutes = [
    ...loginRoutes({ login, limit: limitByAddress(limits?.loginPerAddress) }),
    ...sessionRoutes({ sessions, accessTokens, limit: limitByAddress(limits?.refreshPerAddress) }),
  ]
  const internalRoutes: Route[] = []
  const docs = docsRoutes({
    describe: () =>
      describeApi({
        routes: [...publicRoutes, ...internalRoutes],
        documents: [],
        issuer: config.issuer,
        version: packageJson.version,
      }),
  })

  const publicApp = createApp({
    ...common,
    listener: 'public',
    routes: publicRoutes,
    documents: [
      documentRoutes({ ring, issuer: config.issuer, jwksMaxAgeSeconds: config.jwksMaxAgeSeconds }),
      statusListRoutes({ lists: statusLists, issuer: config.issuer, ttlSeconds: config.statusListTtlSeconds }),
    ],
    subApps: docsOnPublic ? [docs] : [],
  })
  const internalApp = createApp({
    ...common,
    listener: 'internal',
    routes: internalRoutes,
    subApps: [docs],
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
        notReady() {
          if (draining) return 'draining'
          if (!ring.ready()) return 'signing keys are not loaded yet'
          return statusLists.ready() ? undefined : 'status lists are not loaded yet'
        },
        dependencies,
      }),
    ],
  })

  /** Asks, so that an outage is noticed while nobody else does. */
  async function probeDependencies(): Promise<void> {
    await Promise.all([database.run({ name: 'ping', text: 'select 1' }, []), cache.get('ping')])
  }
  async function pollStatusLists(): Promise<void> {
    try {
      await statusLists.poll()
    } finally {
      metrics.statusListAge.set(statusLists.ageSeconds())
    }
  }
  const jobs: Job[] = [
    { name: 'signing-keys', everyMs: ring.tickEveryMs, run: () => ring.tick() },
    { name: 'dependency-probe', everyMs: 5000, run: probeDependencies },
    { name: 'status-lists', everyMs: statusLists.pollEveryMs, run: pollStatusLists },
    { name: 'housekeeping', everyMs: housekeeping.everyMs, run: () => housekeeping.run() },
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
      await pollStatusLists()
      // A moment for the cache to connect, so that the first codes are claimed like any other; without it logins work all the same.
      for (let waitedMs = 0; !cache.available() && waitedMs < CACHE_WAIT_MS; waitedMs += CACHE_POLL_MS)
        await new Promise((resolve) => setTimeout(resolve, CACHE_POLL_MS))
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
      statusLists.stop()
      housekeeping.stop()
      await running?.stop()
      await Promise.all([audit.flush(), sessionEvents.stop()])
      await Promise.all([database.close(), cache.close()])
    },
  }
}
