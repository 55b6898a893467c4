/** Every route of the operators on the internal listener. */
import type { Route } from '../http/route.ts'
import type { KeyRing } from '../keys/ring.ts'
import type { Sessions } from '../sessions/sessions.ts'
import type { Database } from '../storage/database.ts'
import type { Users } from '../users/users.ts'
import { adminAuditRoutes } from './audit-routes.ts'
import { adminKeyRoutes } from './key-routes.ts'
import { createAdminStore } from './store.ts'
import { adminUserRoutes } from './user-routes.ts'

export type AdminRoutesParts = {
  database: Database
  users: Users
  sessions: Sessions
  ring: KeyRing
}

export function adminRoutes({ database, users, sessions, ring }: AdminRoutesParts): Route[] {
  const store = createAdminStore(database)
  return [...adminUserRoutes({ store, users, sessions }), ...adminKeyRoutes({ ring }), ...adminAuditRoutes({ store })]
}
