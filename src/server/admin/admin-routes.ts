/** Every route of the operators on the internal listener. */
import type { Audit } from '../audit/audit.ts'
import type { Route } from '../http/route.ts'
import type { KeyRing } from '../keys/ring.ts'
import type { Sessions } from '../sessions/sessions.ts'
import type { Database } from '../storage/database.ts'
import type { Users } from '../users/users.ts'
import { adminAuditRoutes } from './audit-routes.ts'
import { createAuditStore } from './audit-store.ts'
import { createCountsStore } from './counts-store.ts'
import { dataRegisterRoutes } from './data-register-routes.ts'
import { createDataRegisterStore } from './data-register-store.ts'
import { adminHealthRoutes, type HealthRoutesParts } from './health-routes.ts'
import { adminKeyRoutes } from './key-routes.ts'
import { createAdminStore } from './store.ts'
import { adminUserRoutes } from './user-routes.ts'

export type AdminRoutesParts = {
  database: Database
  users: Users
  sessions: Sessions
  ring: KeyRing
  audit: Audit
} & Omit<HealthRoutesParts, 'counts'>

export function adminRoutes({ database, users, sessions, ring, audit, ...health }: AdminRoutesParts): Route[] {
  return [
    ...adminUserRoutes({ store: createAdminStore(database), users, sessions, audit, clock: database.clock }),
    ...adminKeyRoutes({ ring }),
    ...adminAuditRoutes({ store: createAuditStore(database) }),
    ...dataRegisterRoutes({ store: createDataRegisterStore(database) }),
    ...adminHealthRoutes({ counts: createCountsStore(database), database, ...health }),
  ]
}
