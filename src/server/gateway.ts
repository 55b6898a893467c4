/** The composition root: every part of the gateway is made here and handed what it needs. */
import packageJson from '../../package.json' with { type: 'json' }
import { createAudit } from './audit/audit.ts'
import { createPictures } from './avatars/pictures.ts'
import { createClients } from './clients/clients.ts'
import type { Clock } from './clock.ts'
import { isGranted } from './config/admin-tokens.ts'
import type { Config } from './config/config.ts'
import { isPushed } from './config/push.ts'
import { createSealer } from './crypto/seal.ts'
import { createSessionEnds } from './events/session-ends.ts'
import { createHousekeeping } from './housekeeping/housekeeping.ts'
import { createHousekeepingStore } from './housekeeping/store.ts'
import { type Authenticate, bearerToken } from './http/auth.ts'
import { createListeners, type Listeners, type ListenersParts } from './http/listeners.ts'
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
import { createErasures } from './personal-data/erasures.ts'
import { createPersonalData } from './personal-data/personal-data.ts'
import { type Send, traceSend } from './platforms/fetch-json.ts'
import { createApps } from './platforms/registry.ts'
import { accountRoutes } from './profile/account.ts'
import { createTextCheck } from './profile/text-check.ts'
import { limitByAddress, limitUser } from './rate-limit/limit.ts'
import { createRateLimits } from './rate-limit/rate-limit.ts'
import { createUnknownTokens } from './rate-limit/unknown-tokens.ts'
import { createLimitUpstream } from './rate-limit/upstream.ts'
import { createRestored } from './restored/restored.ts'
import { createRevocation } from './revocation/revocation.ts'
import { statusReference } from './revocation/status-list.ts'
import { createSessionKeys } from './session-key/session-keys.ts'
import { userSessions } from './sessions/end-store.ts'
import { sessionRoutes } from './sessions/routes.ts'
import { createSessions } from './sessions/sessions.ts'
import type { Cache } from './storage/cache.ts'
import { createClockSkew } from './storage/clock-skew.ts'
import type { Database } from './storage/database.ts'
import { createAccessTokens } from './tokens/access-token.ts'
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
  /** And its examples work. */
  liveExamples?: ListenersParts['liveExamples']
}

export type Gateway = Listeners & {
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
  const times = { clock: parts.clock, skew }
  const sealer = createSealer(config.encryptionKeys)
  const onAuditLost = (error: unknown, lost: number) => log.error({ error, lost }, 'audit events were lost')
  const audit = createAudit({ database, onError: onAuditLost })

  const apps = await createApps({
    config,
    send: traceSend(send, tracing?.span),
    cache,
    sealer,
    clock,
    observe: (platform) => observeUpstream({ platform, metrics, log }),
  })
  const limits = createRateLimits({ cache, config, onRefused: (limit) => metrics.rateLimited.inc({ limit }) })
  const limitUpstream = createLimitUpstream(limits)
  const clients = createClients(config)
  /** What every part may ask for; each names what it takes. */
  const stores = { config, issuer: config.issuer, database, cache, clock, sealer }
  const shared = { ...stores, send, log, metrics, audit, apps, clients, limits, limitUpstream }

  const schedule = scheduleOf(config)
  const { tokenTtlSeconds } = schedule
  const onForged = (kids: readonly string[]) =>
    log.error({ kids }, 'ALERT: signing_keys holds public keys that their kid does not name; they are not used')
  const ring = createKeyRing({ ...shared, store: createKeyStore(database), schedule, skew, onForged })
  const accessTokens = createAccessTokens({
    ...{ ring, clock: parts.clock, databaseClock: clock, issuer: config.issuer, type: config.accessTokenType },
    audiences: clients.audiences,
    statusOf: statusReference(config.issuer),
  })
  const { statusLists, ...revocation } = createRevocation({ ...shared, ...times, ring })
  const restored = createRestored({ ...shared, server: () => statusLists.allocated().server })
  const told = { markEnded: statusLists.markEnded, keep: restored.keep }
  const ends = createSessionEnds({ ...shared, tokenTtlSeconds, ...told })
  const { onSessionsEnded } = ends
  const sessions = createSessions({
    ...shared,
    accessTokens,
    now,
    onRefresh: (outcome) => metrics.refreshes.inc({ outcome }),
    onEnded: onSessionsEnded,
  })
  const { identityOf } = sessions
  const { vault, openWithKeptKey, ...sessionKeys } = await createSessionKeys(shared)
  const pictures = await createPictures(shared)
  const { avatars, discarded } = pictures
  const erasures = createErasures(shared)
  const afterErase = createAfterErase({ vault, avatars, discarded, log })
  const store = createUserStore({ database, userSessions })
  const users = createUsers({ store, clock, onEnded: onSessionsEnded, afterErase })
  const textCheck = createTextCheck(shared)
  const login = await createLogin({ ...shared, textCheck, users, sessions, vault, statusLists, onSessionsEnded })
  const onUnknown = createUnknownTokens({
    count: () => metrics.unknownServiceTokens.inc(),
    record: (actor) => audit.record({ kind: 'service_token_refused', at: now(), actor }),
  })
  const admit = limitUser(limits)
  const authenticate: Authenticate = {
    user: (c) => sessions.authenticate(bearerToken(c), (userId) => admit(c, userId)),
    service: createServiceTokens({ tokens: config.adminTokens, onUnknown }).authenticate,
  }
  const platformEvents =
    isPushed(config.apps) || isGranted(config.adminTokens, 'platform-events')
      ? (await import('./platform-events/platform-events.ts')).createPlatformEvents({ ...shared, users, avatars })
      : undefined
  const deliveries =
    config.eventTargets.length > 0
      ? (await import('./deliveries/deliveries.ts')).createDeliveries({ ...shared, ring, tokenClock: parts.clock })
      : undefined
  const lifecycle = createLifecycle({
    ...shared,
    background: [ends.childEnds, restored, erasures, deliveries, platformEvents, pictures],
    ...{ ...times, ring, statusLists, sessionEvents: ends.sessionEvents },
    rotationSeconds: config.signingKeyRotationSeconds,
    housekeeping: createHousekeeping({ ...config, store: createHousekeepingStore(database), clock, tokenTtlSeconds }),
  })

  const hasOperators = config.adminTokens.length > 0 || config.console.oidc !== undefined
  const operators = hasOperators
    ? (await import('./admin/admin-routes.ts')).adminRoutes({ ...shared, ...times, users, sessions, ring })
    : []
  const publicRoutes = [
    ...login.routes,
    ...accountRoutes({ ...shared, textCheck, openWithKeptKey, identityOf, avatars }),
    ...createPersonalData({ ...shared, identityOf, users, erasures }).routes,
    ...sessionRoutes({ sessions, accessTokens, limit: limitByAddress(limits.refreshPerAddress) }),
    ...keyRoutes({ ...shared, ring, schedule, endpoints: login.endpoints }),
    ...revocation.routes,
    ...pictures.routes,
    ...(platformEvents?.publicRoutes ?? []),
    ...(deliveries?.publicRoutes ?? []),
  ]
  const internalRoutes = [
    ...operators,
    ...sessionKeys.routes,
    ...(isGranted(config.adminTokens, 'credential')
      ? (await import('./credential/credential.ts')).credentialRoutes(shared)
      : []),
    ...(platformEvents?.internalRoutes ?? []),
    ...introspectionRoutes({ introspection: createIntrospection({ ...shared, sessions }) }),
    ...(deliveries?.internalRoutes ?? []),
    ...lifecycle.routes,
  ]
  const { start, drain, close, draining } = lifecycle
  const operatorsPages = hasOperators
    ? (await import('./console/console.ts')).createConsole({ ...shared, routes: internalRoutes, draining })
    : undefined
  return {
    ...createListeners({
      ...config,
      ...{ authenticate, log, metrics, draining, docsOnPublic, publicRoutes, internalRoutes, operatorsPages },
      liveExamples: parts.liveExamples,
      tracing: tracing?.middleware,
      version: packageJson.version,
    }),
    ...{ start, drain, close },
  }
}
