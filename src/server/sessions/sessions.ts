/** A sign-in on a device: its tokens, its refreshes and its end. Refreshing needs neither the platform nor the cache. */
import type { Actor } from '../actor.ts'
import type { Audit } from '../audit/audit.ts'
import type { ClientName, Clients } from '../clients/clients.ts'
import type { Config } from '../config/config.ts'
import type { Sealer } from '../crypto/seal.ts'
import { errorCodes, GatewayError } from '../errors.ts'
import type { OnSessionsEnded } from '../events/session-ended.ts'
import { networkOf } from '../http/address.ts'
import type { Database } from '../storage/database.ts'
import type { SessionEndReason } from '../storage/schema.ts'
import type { AccessTokens, TokenSubject, VerifiedToken } from '../tokens/access-token.ts'
import { createRefreshTokens } from '../tokens/refresh-token.ts'
import type { ChosenSessions } from './end-store.ts'
import { createSessionStore, type SessionStore } from './store.ts'
import type { TokenReply } from './token-reply.ts'

/** A session that may be given tokens now. */
export type OpenSession = TokenSubject & ClientName & { refreshCounter: number; endsInSeconds: number }

export type RefreshOutcome = 'ok' | 'repeated' | 'replayed' | 'refused' | 'suspended'

export type Sessions = {
  /** The reply for an open session: a fresh access token and the refresh token of its counter. */
  reply(session: OpenSession, user: { nickname: string | null; isNew: boolean }): Promise<TokenReply>
  /** Throws A0230, A0220, A0202 or A0203. */
  refresh(refreshToken: string, actor: Actor): Promise<TokenReply>
  /** Ends the session of a refresh token; a token that is not ours is A0230, a session already ended is fine. */
  endByRefreshToken(refreshToken: string, actor: Actor): Promise<void>
  /** Ends the chosen sessions that live. Answers how many those were. */
  end(chosen: ChosenSessions, reason: SessionEndReason, actor: Actor): Promise<number>
  /** The live sessions of a user, the last used first. */
  list(userId: string): ReturnType<SessionStore['listLive']>
  /** Where the session signed in. */
  identityOf: SessionStore['identityOf']
  /** The session that a refresh token can still refresh. */
  findUsable(refreshToken: string): ReturnType<SessionStore['findUsable']>
  /** The session an access or a refresh token of ours belongs to, whether it lives or not. */
  sidOf(token: string): Promise<string | undefined>
  /**
   * Verifies an access token and that its session lives; throws A0230, A0202, A0203, and as `admit` does, which is asked beside the
   * store, and before it where it throws at once.
   */
  authenticate(accessToken: string, admit?: (userId: string) => Promise<void>): Promise<AliveToken>
}

/** What of it is the user's as it is now. */
export type AliveToken = VerifiedToken & { externalId: string | null }

export type SessionsParts = {
  config: Pick<Config, 'refreshReuseIntervalSeconds'>
  database: Database
  sealer: Sealer
  accessTokens: AccessTokens
  clients: Clients
  audit: Audit
  now: () => Date
  onRefresh: (outcome: RefreshOutcome) => void
  onEnded: OnSessionsEnded
}

export function createSessions(parts: SessionsParts): Sessions {
  const { database, accessTokens, clients, audit, now, onRefresh, onEnded } = parts
  const reuseIntervalSeconds = parts.config.refreshReuseIntervalSeconds
  const store = createSessionStore({ database, now, reuseIntervalSeconds })
  const refreshTokens = createRefreshTokens(parts)
  /** Why a session gives no token, for the person it belongs to. */
  async function refusal(sid: string): Promise<GatewayError> {
    const session = await store.find(sid)
    if (session?.status === 'suspended') return new GatewayError('A0202')
    if (session?.status === 'erased') return new GatewayError('A0203')
    return new GatewayError('A0230', {
      note: session?.endedAt ? `session ended: ${session.endReason}` : 'no live session',
    })
  }

  const reply: Sessions['reply'] = async (session, user) => {
    const client = clients.of(session)
    const { token, expiresInSeconds } = await accessTokens.mint(session, client)
    return {
      token,
      token_type: 'Bearer',
      expires_in: expiresInSeconds,
      refresh_token: refreshTokens.mint({ sid: session.sid, counter: session.refreshCounter }),
      refresh_expires_in: Math.max(0, session.endsInSeconds),
      user_id: session.userId,
      nickname: user.nickname,
      is_new_user: user.isNew,
    }
  }

  async function refresh(refreshToken: string, actor: Actor): Promise<TokenReply> {
    const content = refreshTokens.read(refreshToken)
    if (!content) throw new GatewayError('A0230', { note: 'refresh token was not issued by this gateway' })
    const session = await store.refresh({ ...content, ip: actor.ip, requestId: actor.requestId ?? '' })
    if (!session) throw await refusal(content.sid)
    if (session.endedAt) {
      const { sid, userId, statusIndex, appid } = session
      onEnded([{ sid, userId, statusIndex, appid }], 'replayed')
      throw new GatewayError('A0220')
    }
    if (session.status !== 'active') throw await refusal(content.sid)
    if (session.repeated) {
      const { sid, userId, appid, usedFrom } = session
      // Contract section 5: a reply that was lost on the way is asked for again from where it was lost.
      if (usedFrom !== null && networkOf(usedFrom) !== networkOf(actor.ip))
        audit.record({ kind: 'refresh_repeated', at: now(), actor, user_id: userId, session_id: sid, appid })
    }
    const tokens = await reply(session, { nickname: session.nickname, isNew: false })
    onRefresh(session.repeated ? 'repeated' : 'ok')
    return tokens
  }

  async function end(chosen: ChosenSessions, reason: SessionEndReason, actor: Actor): Promise<number> {
    let count = 0
    await store.end(chosen, reason, actor, (ended) => {
      count += ended.length
      onEnded(ended, reason)
    })
    return count
  }

  return {
    reply,
    async refresh(refreshToken, actor) {
      try {
        return await refresh(refreshToken, actor)
      } catch (error) {
        if (error instanceof GatewayError && errorCodes[error.code].status < 500)
          onRefresh(error.code === 'A0220' ? 'replayed' : error.code === 'A0202' ? 'suspended' : 'refused')
        throw error
      }
    },
    async endByRefreshToken(refreshToken, actor) {
      const content = refreshTokens.read(refreshToken)
      if (!content) throw new GatewayError('A0230', { note: 'refresh token was not issued by this gateway' })
      await end({ sid: content.sid }, 'logout', actor)
    },
    end,
    list: (userId) => store.listLive(userId),
    identityOf: store.identityOf,
    async findUsable(refreshToken) {
      const content = refreshTokens.read(refreshToken)
      return content && (await store.findUsable(content))
    },
    async sidOf(token) {
      const content = refreshTokens.read(token)
      if (content) return content.sid
      try {
        return (await accessTokens.verify(token)).sid
      } catch (error) {
        if (error instanceof GatewayError && error.code === 'A0230') return undefined
        throw error
      }
    },
    async authenticate(accessToken, admit) {
      const verified = await accessTokens.verify(accessToken)
      const admitted = admit?.(verified.userId)
      const user = await store.userIfAlive(verified.sid)
      await admitted
      if (!user) throw await refusal(verified.sid)
      // As they are in the database now: a role that was taken away is gone at once where we are asked.
      return { ...verified, ...user }
    },
  }
}
