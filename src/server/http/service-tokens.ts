/** The tokens of operators' and services' programs (`ADMIN_TOKENS`), compared in constant time. None configured: nothing is there. */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { AdminScope, AdminToken } from '../config/config.ts'
import { GatewayError } from '../errors.ts'
import type { ServiceCaller } from './auth.ts'
import { bearerToken } from './auth.ts'
import type { GatewayContext } from './context.ts'

export type ServiceTokens = {
  /** The caller behind the bearer token. Throws A0404 when the API is off, A0230, or A0312 without the scope. */
  authenticate(c: GatewayContext, scope: AdminScope): ServiceCaller
}

export function createServiceTokens({ tokens }: { tokens: readonly AdminToken[] }): ServiceTokens {
  const known = tokens.map(({ name, scopes, secret }) => ({ caller: { name, scopes }, digest: sha256(secret) }))

  /** Looks at every token, however early one fits: neither the place nor the length of a secret shows in the time. */
  function identify(secret: string): ServiceCaller | undefined {
    const given = sha256(secret)
    let found: ServiceCaller | undefined
    for (const { caller, digest } of known) if (timingSafeEqual(digest, given)) found = caller
    return found
  }

  return {
    authenticate(c, scope) {
      if (known.length === 0) throw new GatewayError('A0404', { note: 'ADMIN_TOKENS is not set' })
      const caller = identify(bearerToken(c))
      if (!caller) throw new GatewayError('A0230', { note: 'unknown service token' })
      if (!caller.scopes.includes(scope))
        throw new GatewayError('A0312', { note: `service token ${caller.name} lacks the scope ${scope}` })
      return caller
    },
  }
}

const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest()
