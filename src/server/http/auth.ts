/** Who calls: the one place where a route's `access` becomes a check. The checks themselves are handed in. */
import type { AdminScope } from '../config/config.ts'
import { GatewayError } from '../errors.ts'
import type { GatewayContext } from './context.ts'

/** Who may call a route: anybody, a user's access token, or a service token with this scope. */
export type Access = 'public' | 'user' | AdminScope

/** The user behind a verified access token whose session lives. */
export type UserCaller = {
  userId: string
  sid: string
  clientId: string
  audience: readonly string[]
  roles: readonly string[]
  /** The id by which another system knows the user. */
  externalId: string | null
  expiresAt: Date
}

/**
 * A program of operators or services, as `ADMIN_TOKENS` names it. `only`: the audiences or apps that its token narrows the route's
 * scope to; undefined: all.
 */
export type ServiceCaller = { name: string; only: readonly string[] | undefined }

export type Authenticate = {
  /** Throws A0230, A0202 or A0203. */
  user(c: GatewayContext): Promise<UserCaller>
  /** Throws A0230, A0312 without the scope, or A0404 when no service token is configured. */
  service(c: GatewayContext, scope: AdminScope): ServiceCaller | Promise<ServiceCaller>
}

export type CallerOf<Of extends Access> = Of extends 'public'
  ? undefined
  : Of extends 'user'
    ? UserCaller
    : ServiceCaller

/** The caller of a route with this access; throws as `authenticate` does. */
export async function callerOf(
  access: Access,
  c: GatewayContext,
  authenticate: Authenticate,
): Promise<UserCaller | ServiceCaller | undefined> {
  if (access === 'public') return undefined
  if (access !== 'user') return authenticate.service(c, access)
  const user = await authenticate.user(c)
  c.get('request').userId = user.userId
  return user
}

/** The bearer token of the Authorization header (RFC 6750 section 2.1), where there is one. */
export const findBearer = (c: GatewayContext): string | undefined =>
  /^Bearer ([A-Za-z0-9._~+/=-]{1,4096})$/i.exec(c.req.header('authorization') ?? '')?.[1]

/** The user's token; throws A0230 when there is none. */
export function bearerToken(c: GatewayContext): string {
  const token = findBearer(c)
  if (token === undefined) throw new GatewayError('A0230', { note: 'no bearer token' })
  return token
}
