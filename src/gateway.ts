/** The composition root: every part of the gateway is made here and handed what it needs. */
import packageJson from '../package.json' with { type: 'json' }
import { adminRoutes } from './admin/admin-routes.ts'
import { createServiceTokens } from './admin/service-tokens.ts'
import { createAdminStore } from './admin/store.ts'
import { createApp, type HttpApp } from './app.ts'
import { createAudit, insertAuditRows } from './audit/audit.ts'
import type { Clock } from './clock.ts'
import type { Config } from './config.ts'
import { createSealer } from './crypto/seal.ts'
import { createHousekeeping } from './housekeeping/housekeeping.ts'
import { createHousekeepingStore } from './housekeeping/store.ts'
import type { Authenticate } from './http/auth.ts'
import { bearerToken } from './http/bearer.ts'
import { docsRoutes } from './http/docs.ts'
import { limitByAddress } from './http/limit.ts'
import { describeApi } from './http/openapi.ts'
import type { Route } from './http/route.ts'
import { createIntrospection } from './introspection/introspection.ts'
import { introspectionDocuments, introspectionRoutes } from './introspection/routes.ts'
import { type Job, startJobs } from './jobs.ts'
import { createKeyRing } from './keys/ring.ts'
import { documentRoutes } from './keys/routes.ts'
import { scheduleOf } from './keys/schedule.ts'
import { createKeyStore } from './keys/store.ts'
import { createLogin } from './login/login.ts'
import { createReplay } from './login/replay.ts'
import { loginRoutes } from './login/routes.ts'
import { createLoginStore } from './login/store.ts'
import type { Log } from './observability/log.ts'
import { createMetrics, type Metrics } from './observability/metrics.ts'
import { healthRoutes, metricsRoutes } from './observability/routes.ts'
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
import { createSessionStore, endSessions } from './sessions/store.ts'
import type { Cache } from './storage/cache.ts'
import { type Database, isDatabaseUnavailable } from './storage/database.ts'
import { pendingMigrations } from './storage/migrate.ts'
import { createAccessTokens } from './tokens/access-token.ts'
import { createUserStore } from './users/store.ts'
import { createUsers } from './users/users.ts'
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
  publicApp: HttpApp
  internalApp: HttpApp
  /** What the two listeners serve, as data. */
  routes: { public: readonly Route[]; internal: readonly Route[] }
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
    insert: (rows) => insertAuditRows(database.kysely, rows),
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

  const schedule = scheduleOf(config)
  const { tokenTtlSeconds } = schedule
  const ring = createKeyRing({ store: createKeyStore(database), sealer, clock, schedule })
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
  const vault = createVault({ cache, sealer, ttlSeconds: config.sessionKeyTtlSeconds })
  const users = createUsers({
    store: createUserStore({
      database,
      endUserSessions: (tx, userId, reason, origin, at) =>
        endSessions(tx, (eb) => eb.and([eb('user_id', '=', userId)]), reason, origin, at),
    }),
    clock,
    onEnded: sessionsEnded,
    async afterErase({ identities }) {
      const dropped = await Promise.allSettled(identities.map((identity) => vault.drop(identity)))
      for (const { reason: error } of dropped.filter((one) => one.status === 'rejected'))
        log.warn({ error }, 'a session_key of an erased user stays until its time is over: the cache is away')
    },
  })
  const login = createLogin({
    apps,
    replay: createReplay({ cache, sealer, clock }),
    vault,
    store: createLoginStore({ database, now }),
    users,
    sessions,
    audit,
    clock,
    perOpenid: limits?.loginPerOpenid,
    onLogin: (platform, outcome) => metrics.logins.inc({ platform, outcome }),
    onVaultLost: (error) => log.warn({ error }, 'a session_key was not kept: the cache is away'),
  })

  const serviceTokens = createServiceTokens({ tokens: config.adminTokens })
  const authenticate: Authenticate = {
    user: (c) => sessions.authenticate(bearerToken(c)),
    service: serviceTokens.authenticate,
  }

  const housekeeping = createHousekeeping({
    store: createHousekeepingStore(database),
    clock,
    tokenTtlSeconds,
    auditRetentionMonths: config.auditRetentionMonths,
  })

  let draining = false
  const common = {
    authenticate,
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

  const routes = {
    public: [
      ...loginRoutes({ login, limit: limitByAddress(limits?.loginPerAddress) }),
      ...sessionRoutes({ sessions, accessTokens, limit: limitByAddress(limits?.refreshPerAddress) }),
    ],
    internal: adminRoutes({ store: createAdminStore(database), users, sessions, ring }),
  } satisfies Gateway['routes']
  const docs = docsRoutes({
    describe: () =>
      describeApi({
        routes: [...routes.public, ...routes.internal],
        documents: [...introspectionDocuments],
        issuer: config.issuer,
        version: packageJson.version,
      }),
  })

  const publicApp = createApp({
    ...common,
    listener: 'public',
    routes: routes.public,
    documents: [
      documentRoutes({ ring, issuer: config.issuer, jwksMaxAgeSeconds: config.jwksMaxAgeSeconds }),
      statusListRoutes({ lists: statusLists, issuer: config.issuer, ttlSeconds: config.statusListTtlSeconds }),
    ],
    subApps: docsOnPublic ? [docs] : [],
  })
  const internalApp = createApp({
    ...common,
    listener: 'internal',
    routes: routes.internal,
    subApps: [
      docs,
      introspectionRoutes({ introspection: createIntrospection({ sessions, issuer: config.issuer }), authenticate }),
    ],
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
    routes,
    async start() {
      while (!draining) {
        try {
          const pending = await pendingMigrations(database.kysely)
          if (pending.length === 0) {
            await ring.tick()
            await pollStatusLists()
            break
          }
          log.warn({ pending }, 'waiting for the database schema: run `npm run migrate`')
        } catch (error) {
          if (!isDatabaseUnavailable(error)) throw error
          log.warn({ error }, 'waiting for PostgreSQL')
        }
        await new Promise((resolve) => setTimeout(resolve, START_RETRY_MS))
      }
      // SIGTERM came while the database was away: there is nothing to start.
      if (draining) return
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
