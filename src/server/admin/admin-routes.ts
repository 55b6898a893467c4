/** Every route of the operators and of services, on the internal listener. */
import type { Audit } from '../audit/audit.ts'
import type { Clock } from '../clock.ts'
import type { Route } from '../http/route.ts'
import type { KeyRing } from '../keys/ring.ts'
import type { Apps } from '../platforms/registry.ts'
import { createOpenWithKeptKey } from '../session-key/open-data.ts'
import type { Vault } from '../session-key/vault.ts'
import type { Sessions } from '../sessions/sessions.ts'
import type { Database } from '../storage/database.ts'
import type { Users } from '../users/users.ts'
import { adminAuditRoutes } from './audit-routes.ts'
import { adminKeyRoutes } from './key-routes.ts'
import { createOpenData } from './open-data.ts'
import { openDataRoutes } from './open-data-routes.ts'
import { createAdminStore } from './store.ts'
import { adminUserRoutes } from './user-routes.ts'

export type AdminRoutesParts = {
  database: Database
  users: Users
  sessions: Sessions
  ring: KeyRing
  apps: Apps
  vault: Vault
  audit: Audit
  clock: Clock
}

export function adminRoutes({ database, users, sessions, ring, apps, vault, audit, clock }: AdminRoutesParts): Route[] {
  const store = createAdminStore(database)
  const openWithKeptKey = createOpenWithKeptKey({ vault, clock })
  return [
    ...adminUserRoutes({ store, users, sessions }),
    ...adminKeyRoutes({ ring }),
    ...adminAuditRoutes({ store }),
    ...openDataRoutes({ openData: createOpenData({ store, openWithKeptKey, apps, vault, audit, clock }) }),
  ]
}
