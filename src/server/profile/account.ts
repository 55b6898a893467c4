/** All that users may do with their own profile, put together: read, change, phone number, picture. */
import type { Avatars } from '../avatars/avatars.ts'
import type { Clock } from '../clock.ts'
import type { Config } from '../config/config.ts'
import type { Route } from '../http/route.ts'
import type { Log } from '../observability/log.ts'
import type { Metrics } from '../observability/metrics.ts'
import type { Apps } from '../platforms/registry.ts'
import type { RateLimits } from '../rate-limit/rate-limit.ts'
import type { LimitUpstream } from '../rate-limit/upstream.ts'
import type { OpenWithKeptKey } from '../session-key/open-data.ts'
import type { Database } from '../storage/database.ts'
import { createAvatarChanges } from './avatar.ts'
import { avatarChangeRoutes } from './avatar-routes.ts'
import { createPhoneNumbers } from './phone-number.ts'
import { createProfiles, type IdentityOf } from './profile.ts'
import { profileRoutes } from './routes.ts'
import { createProfileStore } from './store.ts'
import type { TextCheck } from './text-check.ts'

export type AccountParts = {
  database: Database
  apps: Apps
  openWithKeptKey: OpenWithKeptKey
  identityOf: IdentityOf
  avatars: Avatars
  clock: Clock
  config: Pick<Config, 'phoneShared'>
  log: Log
  metrics: Metrics
  limits: Pick<RateLimits, 'phonePerUser' | 'avatarsPerUser'>
  limitUpstream: LimitUpstream
  textCheck: TextCheck
}

export function accountRoutes(parts: AccountParts): Route[] {
  const { database, apps, openWithKeptKey, identityOf, avatars, clock, config, log, metrics, limits, limitUpstream } =
    parts
  const { textCheck } = parts
  const store = createProfileStore(database)
  const phoneNumbers = createPhoneNumbers({
    store,
    identityOf,
    apps,
    openData: openWithKeptKey,
    limit: limits.phonePerUser,
    limitUpstream,
    shared: config.phoneShared,
    clock,
    onPaidCall: () => metrics.paidCalls.inc({ operation: 'getPhoneNumber' }),
  })
  const changes = createAvatarChanges({
    store,
    avatars,
    clock,
    limit: limits.avatarsPerUser,
    onDoubt: (error, url) =>
      log.error({ error, url }, 'a picture was kept, and the database did not say whether it is shown'),
  })
  return [
    ...profileRoutes({
      profiles: createProfiles({ store, identityOf, textCheck, clock }),
      phoneNumbers,
    }),
    ...avatarChangeRoutes({ changes }),
  ]
}
