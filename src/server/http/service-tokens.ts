/** The tokens of operators' and services' programs (`ADMIN_TOKENS`), compared in constant time. None configured: nothing is there. */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { AdminScope, AdminToken } from '../config/config.ts'
import { GatewayError } from '../errors.ts'
import { findBearer, type ServiceCaller } from './auth.ts'
import type { GatewayContext } from './context.ts'

export type ServiceTokens = {
  /** The caller behind the bearer token. Throws A0404 when the API is off, A0230, A0312 without the scope, and as `onUnknown` does. */
  authenticate(c: GatewayContext, scope: AdminScope): Promise<ServiceCaller>
  /** The token with this secret. */
  identify(secret: string): AdminToken | undefined
}

const off = { zh: '未设置 ADMIN_TOKENS，运维接口未开启', en: 'ADMIN_TOKENS is not set, so this API is off.' }
const unknown = {
  zh: '服务令牌缺失或无效，请与 ADMIN_TOKENS 核对',
  en: 'The service token is missing or unknown; compare it with ADMIN_TOKENS.',
}

export type ServiceTokensParts = {
  tokens: readonly AdminToken[]
  /** Told of each request with a token that is none of ours; may throw another refusal. */
  onUnknown?: (c: GatewayContext) => Promise<void>
}

export function createServiceTokens({ tokens, onUnknown }: ServiceTokensParts): ServiceTokens {
  const known = tokens.map((token) => ({ ...token, digest: sha256(token.secret) }))

  /** Looks at every token, however early one fits: neither the place nor the length of a secret shows in the time. */
  function identify(secret: string): AdminToken | undefined {
    const given = sha256(secret)
    let found: AdminToken | undefined
    for (const token of known) if (timingSafeEqual(token.digest, given)) found = token
    return found
  }

  return {
    identify,
    async authenticate(c, scope) {
      if (known.length === 0) throw new GatewayError('A0404', { note: 'ADMIN_TOKENS is not set', words: off })
      const bearer = findBearer(c)
      const token = identify(bearer ?? '')
      if (!token && bearer !== undefined) await onUnknown?.(c)
      if (!token) throw new GatewayError('A0230', { note: 'unknown service token', words: unknown })
      const grant = token.grants.find((one) => one.scope === scope || (one.scope === 'admin' && scope === 'admin-read'))
      if (!grant)
        throw new GatewayError('A0312', {
          note: `service token ${token.name} lacks the scope ${scope}`,
          words: { zh: `服务令牌缺少权限 ${scope}`, en: `The service token lacks the scope ${scope}.` },
        })
      return { name: token.name, only: grant.only }
    },
  }
}

const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest()
