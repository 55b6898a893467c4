/** The capabilities that are loaded only where they are switched on: one line each. */
import type { Audit } from './audit/audit.ts'
import type { Clock } from './clock.ts'
import type { AdminScope, Config } from './config/config.ts'
import type { Route } from './http/route.ts'
import type { Apps } from './platforms/registry.ts'
import type { RateLimits } from './rate-limit/rate-limit.ts'
import type { SessionKeys } from './session-key/session-keys.ts'

export type OptionalParts = {
  config: Config
  sessionKeys: Pick<SessionKeys, 'service'>
  apps: Apps
  audit: Audit
  clock: Clock
  limits: RateLimits
}

/** For the internal listener, each behind a scope that some service token has. */
export async function optionalServiceRoutes(parts: OptionalParts): Promise<Route[]> {
  const { config, sessionKeys, apps, audit, clock, limits } = parts
  const granted = (scope: AdminScope) =>
    config.adminTokens.some(({ grants }) => grants.some((grant) => grant.scope === scope))
  const routes: Route[] = []
  if (granted('sign')) {
    const { userSignatureRoutes } = await import('./session-key/user-signature.ts')
    routes.push(...userSignatureRoutes({ service: sessionKeys.service, audit, clock, limit: limits.signPerUser }))
  }
  if (granted('credential')) {
    const { credentialRoutes } = await import('./credential/credential.ts')
    routes.push(...credentialRoutes({ apps, audit, clock }))
  }
  return routes
}
