/** What a token is worth at this moment, for services that ask instead of verifying on their own, and its revocation. */
import type { Actor } from '../actor.ts'
import { GatewayError } from '../errors.ts'
import type { Sessions } from '../sessions/sessions.ts'

/** RFC 7662 section 2.2. */
export type Introspected =
  | { active: false }
  | ({ active: true; token_use: 'access_token' | 'refresh_token' } & Record<string, unknown>)

export type Introspection = {
  /**
   * Access or refresh token; anything unknown, expired, spent or of an ended session is inactive. For a caller that may ask for some
   * audiences alone, so is a token for none of them (RFC 7662 section 2.2) and every refresh token. Throws when a store is away.
   */
  introspect(token: string, audiences: readonly string[] | undefined): Promise<Introspected>
  /** Ends the session of an access or refresh token (RFC 7009); a token that is not ours is no error. */
  revoke(token: string, actor: Actor): Promise<void>
}

export type IntrospectionParts = { sessions: Sessions; issuer: string }

export function createIntrospection({ sessions, issuer }: IntrospectionParts): Introspection {
  /** The user of an access token whose session lives; undefined otherwise. */
  async function verify(accessToken: string) {
    try {
      return await sessions.authenticate(accessToken)
    } catch (error) {
      if (error instanceof GatewayError && ['A0230', 'A0202', 'A0203'].includes(error.code)) return undefined
      throw error
    }
  }

  return {
    // Which kind a token is shows in its form, so token_type_hint (RFC 7662 section 2.1) has nothing to add.
    async introspect(token, audiences) {
      const session = audiences ? undefined : await sessions.findUsable(token)
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
      if (!verified || (audiences && !isFor(audiences, verified.claims.aud))) return { active: false }
      return { ...verified.claims, active: true, token_use: 'access_token', token_type: 'Bearer' }
    },
    async revoke(token, actor) {
      const sid = await sessions.sidOf(token)
      if (sid !== undefined) await sessions.end({ sid }, 'revoked', actor)
    },
  }
}

const isFor = (audiences: readonly string[], audience: unknown): boolean =>
  [audience].flat().some((one) => typeof one === 'string' && audiences.includes(one))

const seconds = (ms: number): number => Math.floor(ms / 1000)
