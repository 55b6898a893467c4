/** The composition root: every part of the gateway is made here and handed what it needs. */
import packageJson from '../../package.json' with { type: 'json' }
import { adminRoutes } from './admin/admin-routes.ts'
import { createAudit } from './audit/audit.ts'
import { createAvatars } from './avatars/avatars.ts'
import { avatarRoutes } from './avatars/routes.ts'
import { createClients } from './clients/clients.ts'
import type { Clock } from './clock.ts'
import { isGranted } from './config/admin-tokens.ts'
import type { Config } from './config/config.ts'
import { createSealer } from './crypto/seal.ts'
import { createSessionEnded } from './events/session-ended.ts'
import { createSessionEvents } from './events/session-stream.ts'
import { createHousekeeping } from './housekeeping/housekeeping.ts'
import { createHousekeepingStore } from './housekeeping/store.ts'
import { createApp, type HttpApp } from './http/app.ts'
import { type Authenticate, bearerToken } from './http/auth.ts'
import { docsRoutes } from './http/docs.ts'
import { describeApi } from './http/openapi.ts'
import type { Route } from './http/route.ts'
import { createServiceTokens } from './http/service-tokens.ts'
import { createIntrospection } from './introspection/introspection.ts'
import { introspectionRoutes } from './introspection/routes.ts'
import { createKeyRing } from './keys/ring.ts'
import { keyRoutes } from './keys/routes.ts'
import { scheduleOf } from './keys/schedule.ts'
import { createKeyStore } from './keys/store.ts'
import { createLifecycle } from './lifecycle/lifecycle.ts'
import { createLogin } from './login/login.ts'
import type { Log } from './observability/log.ts'
import { createMetrics, type Metrics } from './observability/metrics.ts'
import type { Tracing } from './observability/tracing.ts'
import { observeUpstream } from './observability/upstream.ts'
import { createAfterErase } from './personal-data/after-erase.ts'
import { createPersonalData } from './personal-data/personal-data.ts'
import { type Send, traceSend } from './platforms/fetch-json.ts'
import { createApps } from './platforms/registry.ts'
import { accountRoutes } from './profile/account.ts'
import { limitByAddress, limitUser } from './rate-limit/limit.ts'
import { createRateLimits } from './rate-limit/rate-limit.ts'
import { createLimitUpstream } from './rate-limit/upstream.ts'
import { createHandedOut } from './revocation/handed-out.ts'
import { createStatusLists } from './revocation/publisher.ts'
import { statusListRoutes } from './revocation/routes.ts'
import { statusReference } from './revocation/status-list.ts'
import { createStatusStore } from './revocation/store.ts'
import { createSessionKeys } from './session-key/session-keys.ts'
import { sessionRoutes } from './sessions/routes.ts'
import { createSessions } from './sessions/sessions.ts'
import { createSessionStore, userSessions } from './sessions/store.ts'
import type { Cache } from './storage/cache.ts'
import { createClockSkew } from './storage/clock-skew.ts'
import type { Database } from './storage/database.ts'
import { createAccessTokens } from './tokens/access-token.ts'
import { createRefreshTokens } from './tokens/refresh-token.ts'
import { createUserStore } from './users/store.ts'
import { createUsers } from './users/users.ts'

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

export async function createGateway(parts: GatewayParts): Promise<Gateway> {
  const { config, database, cache, send, log, metrics = createMetrics(), docsOnPublic = false, tracing } = parts
  // What is shared goes by the database's clock; only a token's own times go by this process's.
  const { clock } = database
  const now = () => clock.now()
  const limitSeconds = config.clockSkewLimitSeconds
  const skew = createClockSkew({ clock: parts.clock, databaseClock: clock, limitSeconds })
  const sealer = createSealer(config.encryptionKeys)
  const audit = createAudit({
    database,
    onError: (error, lost) => log.error({ error, lost }, 'audit events were lost'),
  })

  const traced = traceSend(send, tracing?.span)
  const apps = createApps({
    config,
    send: traced,
    cache,
    sealer,
    clock,
    observe: (platform) => observeUpstream({ platform, metrics, log }),
  })

  const limits = createRateLimits({ cache, config, onRefused: (limit) => metrics.rateLimited.inc({ limit }) })
  const limitUpstream = createLimitUpstream(limits)

  const clients = createClients(config)
  const schedule = scheduleOf(config)
  const { tokenTtlSeconds } = schedule
  const ring = createKeyRing({ store: createKeyStore(database), sealer, clock, schedule, skew })
  const accessTokens = createAccessTokens({
    ring,
    clock: parts.clock,
    databaseClock: clock,
    issuer: config.issuer,
    type: config.accessTokenType,
    audiences: clients.audiences,
    statusOf: statusReference(config.issuer),
  })

  const statusLists = createStatusLists({
    store: createStatusStore(database),
    ring,
    clock: parts.clock,
    issuer: config.issuer,
    ttlSeconds: config.statusListTtlSeconds,
    handedOut: createHandedOut({ cache }),
    onPutBack: (places) =>
      log.error(places, 'ALERT: the database was put back to an earlier state; status indexes jump ahead'),
    onError: (error) => log.error({ error }, 'status lists were not published'),
  })
  const sessionEvents = createSessionEvents({
    cache,
    clock,
    tokenTtlSeconds,
    onLost: (error) => log.warn({ error }, 'a session-ended event was lost: the cache is away'),
  })
  const onSessionsEnded = createSessionEnded({
    listeners: [
      (ended, reason) => metrics.sessionsEnded.inc({ reason }, ended.length),
      (ended) => statusLists.markEnded(ended.map((session) => session.statusIndex)),
      sessionEvents.publish,
    ],
    onError: (error) => log.error({ error }, 'the end of a session was not told everywhere'),
  })

  const sessions = createSessions({
    store: createSessionStore({ database, now, reuseIntervalSeconds: config.refreshReuseIntervalSeconds }),
    accessTokens,
    refreshTokens: createRefreshTokens({ sealer }),
    clients,
    onRefresh: (outcome) => metrics.refreshes.inc({ outcome }),
    onEnded: onSessionsEnded,
  })
  const sessionKeys = await createSessionKeys({
    database,
    cache,
    sealer,
    apps,
    audit,
    clock,
    limitUpstream,
    limits,
    config,
  })
  const { vault } = sessionKeys
  const avatars = createAvatars({ config: config.avatarStore, issuer: config.issuer, send, clock, log })
  const users = createUsers({
    store: createUserStore({ database, userSessions }),
    clock,
    onEnded: onSessionsEnded,
    afterErase: createAfterErase({ vault, avatars, log }),
  })
  const login = await createLogin({
    database,
    cache,
    sealer,
    apps,
    clients,
    users,
    sessions,
    vault,
    audit,
    limits,
    config,
    log,
    metrics,
    statusLists,
    onSessionsEnded,
  })

  const serviceTokens = createServiceTokens({ tokens: config.adminTokens })
  const admit = limitUser(limits)
  const authenticate: Authenticate = {
    user: (c) => sessions.authenticate(bearerToken(c), (userId) => admit(c, userId)),
    service: serviceTokens.authenticate,
  }

  const housekeeping = createHousekeeping({
    store: createHousekeepingStore(database),
    clock,
    tokenTtlSeconds,
    auditRetentionMonths: config.auditRetentionMonths,
  })

  const lifecycle = createLifecycle({
    database,
    cache,
    clock: parts.clock,
    skew,
    log,
    metrics,
    ring,
    rotationSeconds: config.signingKeyRotationSeconds,
    statusLists,
    housekeeping,
    audit,
    sessionEvents,
  })
  const common = {
    authenticate,
    log,
    metrics,
    trustedProxyHops: config.trustedProxyHops,
    draining: lifecycle.draining,
    tracing: tracing?.middleware,
  }

  const { issuer } = config
  const publicRoutes = [
    ...login.routes,
    ...accountRoutes({
      database,
      apps,
      openWithKeptKey: sessionKeys.openWithKeptKey,
      identityOf: sessions.identityOf,
      avatars,
      clock,
      config,
      log,
      metrics,
      limits,
      limitUpstream,
    }),
    ...createPersonalData({ database, identityOf: sessions.identityOf, apps, users, limits, limitUpstream, log })
      .routes,
    ...sessionRoutes({ sessions, accessTokens, limit: limitByAddress(limits.refreshPerAddress) }),
    ...keyRoutes({ ring, issuer, jwksMaxAgeSeconds: config.jwksMaxAgeSeconds, endpoints: login.endpoints }),
    ...statusListRoutes({ lists: statusLists, issuer, ttlSeconds: config.statusListTtlSeconds }),
    ...avatarRoutes({ avatars }),
  ]
  const internalRoutes = [
    ...adminRoutes({ database, users, sessions, ring }),
    ...sessionKeys.routes,
    ...(isGranted(config.adminTokens, 'credential')
      ? (await import('./credential/credential.ts')).credentialRoutes({ apps, audit, clock })
      : []),
    ...introspectionRoutes({ introspection: createIntrospection({ sessions, issuer }) }),
    ...lifecycle.routes,
  ]
  const docs = docsRoutes({
    describe: () =>
      describeApi({ routes: [...publicRoutes, ...internalRoutes, ...docs], issuer, version: packageJson.version }),
  })
  const routes = {
    public: docsOnPublic ? [...publicRoutes, ...docs] : publicRoutes,
    internal: [...internalRoutes, ...docs],
  }
  return {
    publicApp: createApp({ ...common, listener: 'public', routes: routes.public, webOrigins: config.webOrigins }),
    internalApp: createApp({
      ...common,
      trustedProxyHops: 0,
      listener: 'internal',
      routes: routes.internal,
      webOrigins: [],
    }),
    routes,
    start: lifecycle.start,
    drain: lifecycle.drain,
    close: lifecycle.close,
  }
}
