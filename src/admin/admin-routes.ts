/** Every route of the operators, on the internal listener. */
import type { Route } from '../http/route.ts'
import type { KeyRing } from '../keys/ring.ts'
import type { Sessions } from '../sessions/sessions.ts'
import type { Users } from '../users/users.ts'
import { adminAuditRoutes } from './audit-routes.ts'
import { adminKeyRoutes } from './key-routes.ts'
import type { AdminStore } from './store.ts'
import { adminUserRoutes } from './user-routes.ts'

export type AdminRoutesParts = { store: AdminStore; users: Users; sessions: Sessions; ring: KeyRing }

export const adminRoutes = ({ store, users, sessions, ring }: AdminRoutesParts): Route[] => [
  ...adminUserRoutes({ store, users, sessions }),
  ...adminKeyRoutes({ ring }),
  ...adminAuditRoutes({ store }),
]
