/** What a token is worth at this moment, for services that ask instead of verifying on their own, and its revocation. */
import type { Actor } from '../actor.ts'
import { GatewayError } from '../errors.ts'
import type { Sessions } from '../sessions/sessions.ts'
import type { VerifiedToken } from '../tokens/access-token.ts'

/** RFC 7662 section 2.2. */
export type Introspected =
  | { active: false }
  | ({ active: true; token_use: 'access_token' | 'refresh_token' } & Record<string, unknown>)

export type Introspection = {
  /** Access or refresh token; anything unknown, expired, spent or of an ended session is inactive. Throws when a store is away. */
  introspect(token: string): Promise<Introspected>
  /** Ends the session of an access or refresh token (RFC 7009); a token that is not ours is no error. */
  revoke(token: string, actor: Actor): Promise<void>
  /** The user of an access token whose session lives; undefined otherwise. Throws when a store is away. */
  verify(accessToken: string): Promise<VerifiedToken | undefined>
}

export type IntrospectionParts = { sessions: Sessions; issuer: string }

export function createIntrospection({ sessions, issuer }: IntrospectionParts): Introspection {
  async function verify(accessToken: string) {
    try {
      return await sessions.authenticate(accessToken)
    } catch (error) {
      if (error instanceof GatewayError && ['A0230', 'A0202', 'A0203'].includes(error.code)) return undefined
      throw error
    }
  }

  return {
    verify,
    // Which kind a token is shows in its form, so token_type_hint (RFC 7662 section 2.1) has nothing to add.
    async introspect(token) {
      const session = await sessions.findUsable(token)
      if (session) {
        return {
          active: true,
          token_use: 'refresh_token',
          iss: issuer,
          sub: session.userId,
          client_id: session.appid,
          sid: session.sid,
          iat: seconds(session.refreshedAt.getTime()),
          exp: seconds(session.endsAt.getTime()),
        }
      }
      const verified = await verify(token)
      if (!verified) return { active: false }
      return { ...verified.claims, active: true, token_use: 'access_token', token_type: 'Bearer' }
    },
    async revoke(token, actor) {
      const sid = await sessions.sidOf(token)
      if (sid !== undefined) await sessions.end({ sid }, 'revoked', actor)
    },
  }
}

const seconds = (ms: number): number => Math.floor(ms / 1000)
