/** All that users may do with their own profile, put together: read, change, phone number, picture. */
import type { Avatars } from '../avatars/avatars.ts'
import type { Clock } from '../clock.ts'
import type { Config } from '../config/config.ts'
import type { Route } from '../http/route.ts'
import type { Log } from '../observability/log.ts'
import type { Metrics } from '../observability/metrics.ts'
import type { Apps } from '../platforms/registry.ts'
import { createDailyLimit } from '../rate-limit/daily.ts'
import { limitByUser } from '../rate-limit/limit.ts'
import type { RateLimit } from '../rate-limit/rate-limit.ts'
import type { OpenWithKeptKey } from '../session-key/open-data.ts'
import type { Cache } from '../storage/cache.ts'
import type { Database } from '../storage/database.ts'
import { createAvatarChanges } from './avatar.ts'
import { avatarChangeRoutes } from './avatar-routes.ts'
import { createPhoneNumbers } from './phone-number.ts'
import { createProfiles, type IdentityOf } from './profile.ts'
import { profileRoutes } from './routes.ts'
import { createProfileStore } from './store.ts'
import { createTextCheck } from './text-check.ts'

export type AccountParts = {
  database: Database
  cache: Cache
  apps: Apps
  openWithKeptKey: OpenWithKeptKey
  identityOf: IdentityOf
  avatars: Avatars
  clock: Clock
  config: Pick<Config, 'textCheck' | 'textCheckUnavailable' | 'phoneShared' | 'phoneDailyLimit'>
  log: Log
  metrics: Metrics
  /** How often a user may do what costs money. */
  paidPerUser: RateLimit | undefined
}

export function accountRoutes(parts: AccountParts): Route[] {
  const { database, cache, apps, openWithKeptKey, identityOf, avatars, clock, config, log, metrics, paidPerUser } =
    parts
  const store = createProfileStore(database)
  const textCheck = createTextCheck({
    enabled: config.textCheck,
    whenUnavailable: config.textCheckUnavailable,
    onUnchecked: (error) => log.warn({ error }, 'a text was taken unchecked: the text check did not answer'),
  })
  const limit = createDailyLimit({
    name: 'phone',
    perDay: config.phoneDailyLimit,
    cache,
    clock,
    onRefused: () => metrics.rateLimited.inc({ limit: 'phone' }),
  })
  const phoneNumbers = createPhoneNumbers({
    store,
    identityOf,
    apps,
    openData: openWithKeptKey,
    limit,
    shared: config.phoneShared,
    clock,
    onPaidCall: () => metrics.paidCalls.inc({ operation: 'getPhoneNumber' }),
  })
  const changes = createAvatarChanges({
    store,
    avatars,
    clock,
    onDoubt: (error, url) =>
      log.error({ error, url }, 'a picture was kept, and the database did not say whether it is shown'),
  })
  return [
    ...profileRoutes({
      profiles: createProfiles({ store, identityOf, apps, textCheck, clock }),
      phoneNumbers,
      limitPaid: limitByUser(paidPerUser),
    }),
    ...avatarChangeRoutes({ changes }),
  ]
}
