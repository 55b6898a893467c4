/** Everything about session_keys, put together: kept, opened with, checked and reset, without one ever leaving the gateway. */
import type { Audit } from '../audit/audit.ts'
import type { Clock } from '../clock.ts'
import { isGranted } from '../config/admin-tokens.ts'
import type { Config } from '../config/config.ts'
import type { Sealer } from '../crypto/seal.ts'
import type { Route } from '../http/route.ts'
import type { Apps } from '../platforms/registry.ts'
import type { RateLimits } from '../rate-limit/rate-limit.ts'
import type { LimitUpstream } from '../rate-limit/upstream.ts'
import type { Cache } from '../storage/cache.ts'
import type { Database } from '../storage/database.ts'
import { createOpenWithKeptKey, type OpenWithKeptKey } from './open-data.ts'
import { sessionKeyRoutes } from './routes.ts'
import { createSessionKeyService } from './service.ts'
import { createSessionKeyStore } from './store.ts'
import { createVault, type Vault } from './vault.ts'

export type SessionKeys = {
  vault: Vault
  openWithKeptKey: OpenWithKeptKey
  /** For the internal listener. */
  routes: Route[]
}

export type SessionKeysParts = {
  database: Database
  cache: Cache
  sealer: Sealer
  apps: Apps
  audit: Audit
  clock: Clock
  limitUpstream: LimitUpstream
  limits: Pick<RateLimits, 'signPerUser'>
  config: Pick<Config, 'sessionKeyTtlSeconds' | 'adminTokens'>
}

export async function createSessionKeys(parts: SessionKeysParts): Promise<SessionKeys> {
  const { database, cache, sealer, apps, audit, clock, limitUpstream, limits, config } = parts
  const vault = createVault({ cache, sealer, ttlSeconds: config.sessionKeyTtlSeconds })
  const openWithKeptKey = createOpenWithKeptKey({ vault, clock })
  const store = createSessionKeyStore(database)
  const service = createSessionKeyService({ store, openWithKeptKey, apps, vault, audit, clock, limitUpstream })
  const routes = sessionKeyRoutes({ service, audit, clock })
  if (isGranted(config.adminTokens, 'sign')) {
    const { userSignatureRoutes } = await import('./user-signature.ts')
    routes.push(...userSignatureRoutes({ service, audit, clock, limit: limits.signPerUser }))
  }
  return { vault, openWithKeptKey, routes }
}
