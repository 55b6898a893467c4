/** Access tokens: the claims of RFC 9068, minted under the key ring's active key and verified against what it publishes. */
import { errors, jwtVerify } from 'jose'
import type { Client } from '../clients/clients.ts'
import type { Clock } from '../clock.ts'
import { randomToken } from '../crypto/random.ts'
import { GatewayError } from '../errors.ts'
import type { KeyRing } from '../keys/ring.ts'

/** What a token says about a session. */
export type TokenSubject = {
  userId: string
  sid: string
  roles: readonly string[]
  /** The user's own claims, and the id by which another system knows the user, where there are any. */
  claims?: Readonly<Record<string, unknown>> | null
  externalId?: string | null
  statusIndex: number
  /** When the session ends unless it is refreshed, in seconds since 1970, by the database's clock. */
  sessionEndsAt: number
  /** Who the user is to the platform of the client; missing where the client is of none. */
  platform?: string
  openid?: string | undefined
  unionid?: string | null
}

export type MintedToken = { token: string; expiresInSeconds: number }

export type VerifiedToken = {
  userId: string
  sid: string
  clientId: string
  audience: string[]
  roles: string[]
  expiresAt: Date
  claims: Record<string, unknown>
}

export type AccessTokens = {
  /** A token for as long as the client's last, and never beyond the end of the session. */
  mint(subject: TokenSubject, client: Client): Promise<MintedToken>
  /** Throws A0230 when the token is not one of ours, or expired. Does not ask whether the session lives. */
  verify(token: string): Promise<VerifiedToken>
}

/** RFC 7515 section 2: base64url without padding, white space or spare bits, so that a token has one spelling. */
const isSpelledRight = (token: string): boolean =>
  /^[\w-]+\.[\w-]+\.[\w-]+$/.test(token) &&
  token.split('.').every((part) => Buffer.from(part, 'base64url').toString('base64url') === part)

export type AccessTokenParts = {
  ring: KeyRing
  /** Of this process: what a new token says. */
  clock: Clock
  /** What an expiry is held against here. */
  databaseClock: Clock
  issuer: string
  /** Header `typ` of new tokens. */
  type: 'JWT' | 'at+jwt'
  /** Every audience that tokens are made for; any of them is accepted back. */
  audiences: readonly string[]
  /** Where the status of a session is published. */
  statusOf: (statusIndex: number) => { idx: number; uri: string }
}

export function createAccessTokens(parts: AccessTokenParts): AccessTokens {
  const { ring, clock, databaseClock, issuer, type, audiences, statusOf } = parts

  return {
    async mint(subject, client) {
      const issuedAt = Math.floor(clock.now().getTime() / 1000)
      // Where its session has ended by itself no status list tells of it, so the token has to end with it.
      const expiresAt = Math.min(issuedAt + client.accessTokenSeconds, Math.floor(subject.sessionEndsAt))
      const extra = { openid: subject.openid, unionid: subject.unionid ?? undefined, platform: subject.platform }
      const payload: Record<string, unknown> = {
        iss: issuer,
        sub: subject.userId,
        // A string when there is one: some gateways compare it as text.
        aud: client.audience.length === 1 ? client.audience[0] : client.audience,
        client_id: client.id,
        iat: issuedAt,
        exp: expiresAt,
        jti: randomToken(),
        sid: subject.sid,
        status: { status_list: statusOf(subject.statusIndex) },
      }
      if (subject.roles.length > 0) payload.roles = subject.roles
      if (subject.claims) payload.ext = subject.claims
      if (subject.externalId) payload.external_id = subject.externalId
      for (const claim of client.claims) payload[claim] = extra[claim]
      const token = await ring.sign(type, JSON.stringify(payload))
      return { token, expiresInSeconds: Math.max(0, expiresAt - issuedAt) }
    },

    async verify(token) {
      try {
        if (!isSpelledRight(token)) throw new errors.JWSInvalid('not the one spelling of a token')
        const { payload, protectedHeader } = await jwtVerify(
          token,
          ({ kid, alg }) => {
            const found = kid === undefined ? undefined : ring.verificationKey(kid)
            // RFC 8725 section 3.1: the key decides the algorithm, not the token.
            if (!found || found.alg !== alg) throw new errors.JWSSignatureVerificationFailed()
            return found.key
          },
          {
            issuer,
            audience: [...audiences],
            requiredClaims: ['exp', 'iat', 'sub', 'sid', 'client_id'],
            currentDate: databaseClock.now(),
          },
        )
        // RFC 8725 section 3.11: a status list, signed by the same keys, is not an access token.
        if (!['JWT', 'at+jwt'].includes(protectedHeader.typ ?? '')) throw new errors.JWTInvalid('typ')
        const roles = Array.isArray(payload.roles) ? payload.roles.map(String) : []
        return {
          userId: String(payload.sub),
          sid: String(payload.sid),
          clientId: String(payload.client_id),
          audience: [payload.aud ?? []].flat(),
          roles,
          expiresAt: new Date(Number(payload.exp) * 1000),
          claims: payload,
        }
      } catch (error) {
        if (error instanceof errors.JOSEError) throw new GatewayError('A0230', { note: `access token: ${error.code}` })
        throw error
      }
    },
  }
}
