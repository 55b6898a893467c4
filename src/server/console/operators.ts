/** Who may use the console: a token of ADMIN_TOKENS with the scope admin or admin-read, as the configuration is now. */
import { createHash } from 'node:crypto'
import type { AdminToken } from '../config/config.ts'
import type { ConsoleSession, Scope } from './session.ts'

export type Operator = Pick<ConsoleSession, 'name' | 'by' | 'proof' | 'scope'>

export type OperatorsParts = {
  tokens: readonly AdminToken[]
  /** The token with this secret, in constant time. */
  identify: (secret: string) => AdminToken | undefined
  /** What OIDC sessions hang on; undefined: there is no OIDC. */
  oidcProof: string | undefined
}

export function createOperators({ tokens, identify, oidcProof }: OperatorsParts) {
  const asOperator = (token: AdminToken): Operator | undefined => {
    const scope = scopeOf(token)
    return scope && { name: token.name, by: 'token', proof: proofOf(token), scope }
  }
  return {
    /** The operator with this token; `no-scope` where it is known and opens no console. */
    byToken(secret: string): Operator | 'no-scope' | undefined {
      const token = identify(secret)
      return token && (asOperator(token) ?? 'no-scope')
    },
    /** The session with what the configuration grants now; undefined once its token was changed or taken out. */
    stillGranted(session: ConsoleSession): ConsoleSession | undefined {
      if (session.by === 'oidc') return session.proof === oidcProof ? session : undefined
      const token = tokens.find(({ name }) => name === session.name)
      const operator = token && asOperator(token)
      return operator?.proof === session.proof ? { ...session, scope: operator.scope } : undefined
    },
  }
}

function scopeOf({ grants }: AdminToken): Scope | undefined {
  const has = (scope: Scope) => grants.some((grant) => grant.scope === scope)
  return has('admin') ? 'admin' : has('admin-read') ? 'admin-read' : undefined
}

const proofOf = ({ secret }: AdminToken): string =>
  createHash('sha256').update(`console ${secret}`).digest('base64url').slice(0, 22)
