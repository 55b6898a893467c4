/** What platforms tell about their users, put together. Loaded only where an app has `push`, or a service may hand events in. */
import type { Audit } from '../audit/audit.ts'
import type { Avatars } from '../avatars/avatars.ts'
import type { Clock } from '../clock.ts'
import { isGranted } from '../config/admin-tokens.ts'
import type { Config } from '../config/config.ts'
import { isPushed } from '../config/push.ts'
import type { Route } from '../http/route.ts'
import type { Log } from '../observability/log.ts'
import type { Metrics } from '../observability/metrics.ts'
import type { RateLimits } from '../rate-limit/rate-limit.ts'
import type { Cache } from '../storage/cache.ts'
import type { Database } from '../storage/database.ts'
import type { Users } from '../users/users.ts'
import { createHandle } from './handle.ts'
import { createReceiver } from './receiver.ts'
import { handedInRoutes, receiverRoutes } from './routes.ts'
import { createInbox } from './store.ts'
import { createWorker } from './worker.ts'

export type PlatformEvents = {
  publicRoutes: Route[]
  internalRoutes: Route[]
  jobs: { name: 'platform-events'; everyMs: number; run(): Promise<void> }[]
  drain(): void
  stop(): Promise<void>
}

export type PlatformEventsParts = {
  config: Pick<Config, 'apps' | 'adminTokens'>
  database: Database
  cache: Cache
  /** The database's. */
  clock: Clock
  users: Users
  avatars: Avatars
  audit: Audit
  limits: Pick<RateLimits, 'badPushesPerAddress'>
  log: Log
  metrics: Metrics
}

const EVERY_MS = 2000

export function createPlatformEvents(parts: PlatformEventsParts): PlatformEvents {
  const { config, database, limits, ...shared } = parts
  const { apps, adminTokens } = config
  const inbox = createInbox(database)
  const worker = createWorker({ ...shared, inbox, handle: createHandle({ ...shared, inbox, apps }) })
  const onKept = worker.wake
  const receiver = createReceiver({ ...shared, apps, inbox, onKept })
  return {
    publicRoutes: isPushed(apps) ? receiverRoutes({ receiver, limit: limits.badPushesPerAddress }) : [],
    internalRoutes: isGranted(adminTokens, 'platform-events') ? handedInRoutes({ inbox, apps, onKept }) : [],
    jobs: [{ name: 'platform-events', everyMs: EVERY_MS, run: worker.run }],
    drain: worker.drain,
    stop: worker.stop,
  }
}
