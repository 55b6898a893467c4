/** A sign-in on a device: its tokens, its refreshes and its end. Refreshing needs neither the platform nor the cache. */
import type { Origin } from '../audit/audit.ts'
import type { Clock } from '../clock.ts'
import type { AppConfig, Config } from '../config.ts'
import { GatewayError } from '../errors.ts'
import type { Apps } from '../platforms/registry.ts'
import type { SessionEndReason } from '../storage/schema.ts'
import type { AccessTokens, TokenPolicy, TokenSubject, VerifiedToken } from '../tokens/access-token.ts'
import type { RefreshTokens } from './refresh-token.ts'
import type { EndedSession, SessionStore } from './store.ts'

export type { EndedSession } from './store.ts'

/** What login and refresh answer. */
export type TokenReply = {
  token: string
  token_type: 'Bearer'
  expires_in: number
  refresh_token: string
  refresh_expires_in: number
  user_id: string
  nickname: string | null
  is_new_user: boolean
}

export type OpenSession = TokenSubject & { refreshCounter: number; idleExpiresAt: Date; expiresAt: Date }

/** Called after the end is committed, by everything that ends sessions: status list, stream and metrics hang on it. Never throws. */
export type SessionEnds = (ended: readonly EndedSession[], reason: SessionEndReason) => void

export type RefreshOutcome = 'ok' | 'replayed' | 'refused' | 'suspended'

export type Sessions = {
  /** How long a new session of an app lasts. */
  lifetimes(app: AppConfig): { idleSeconds: number; absoluteSeconds: number }
  /** The reply for an open session: a fresh access token and the refresh token of its counter. */
  reply(session: OpenSession, user: { nickname: string | null; isNew: boolean }): Promise<TokenReply>
  /** Throws A0230, A0220, A0202 or A0203. */
  refresh(refreshToken: string, origin: Origin): Promise<TokenReply>
  /** Ends the session of a refresh token; a token that is not ours is A0230, a session already ended is fine. */
  endByRefreshToken(refreshToken: string, origin: Origin): Promise<void>
  end(sid: string, origin: Origin): Promise<void>
  /** Verifies an access token and that its session lives; throws A0230, A0202 or A0203. */
  authenticate(accessToken: string): Promise<VerifiedToken>
}

export type SessionsParts = {
  store: SessionStore
  accessTokens: AccessTokens
  refreshTokens: RefreshTokens
  apps: Apps
  clock: Clock
  config: Pick<
    Config,
    'audience' | 'accessTokenTtlSeconds' | 'refreshTokenTtlSeconds' | 'sessionTtlSeconds' | 'accessTokenClaims'
  >
  onRefresh: (outcome: RefreshOutcome) => void
  onEnded: SessionEnds
}

export function createSessions({
  store,
  accessTokens,
  refreshTokens,
  apps,
  clock,
  config,
  onRefresh,
  onEnded,
}: SessionsParts): Sessions {
  const defaultPolicy: TokenPolicy = {
    audience: config.audience,
    ttlSeconds: config.accessTokenTtlSeconds,
    claims: config.accessTokenClaims,
  }
  const policies = new Map(
    apps.all.map((app) => [
      `${app.platform} ${app.appid}`,
      {
        audience: app.audience ?? defaultPolicy.audience,
        ttlSeconds: app.accessTokenTtlSeconds ?? defaultPolicy.ttlSeconds,
        claims: app.claims ?? defaultPolicy.claims,
      } satisfies TokenPolicy,
    ]),
  )

  /** Why a session gives no token, for the person it belongs to. */
  async function refusal(sid: string): Promise<GatewayError> {
    const session = await store.find(sid)
    if (session?.status === 'suspended') return new GatewayError('A0202')
    if (session?.status === 'erased') return new GatewayError('A0203')
    return new GatewayError('A0230', {
      note: session?.ended_at ? `session ended: ${session.end_reason}` : 'no live session',
    })
  }

  const reply: Sessions['reply'] = async (session, user) => {
    const policy = policies.get(`${session.platform} ${session.appid}`)
    // An app that was taken out of the configuration gets no more tokens.
    if (!policy) throw new GatewayError('A0230', { note: 'the app of this session is no longer configured' })
    const nowMs = clock.now().getTime()
    const endsMs = Math.min(session.idleExpiresAt.getTime(), session.expiresAt.getTime())
    return {
      token: await accessTokens.mint(session, policy),
      token_type: 'Bearer',
      expires_in: policy.ttlSeconds,
      refresh_token: refreshTokens.mint({ sid: session.sid, counter: session.refreshCounter }),
      refresh_expires_in: Math.max(0, Math.ceil((endsMs - nowMs) / 1000)),
      user_id: session.userId,
      nickname: user.nickname,
      is_new_user: user.isNew,
    }
  }

  async function refresh(refreshToken: string, origin: Origin): Promise<TokenReply> {
    const content = refreshTokens.read(refreshToken)
    if (!content) throw new GatewayError('A0230', { note: 'refresh token was not made here' })
    const row = await store.refresh({ ...content, ip: origin.ip, requestId: origin.requestId ?? '' })
    if (!row) throw await refusal(content.sid)
    if (row.ended_at) {
      onEnded([{ sid: row.sid, userId: row.user_id, statusIndex: row.status_index, appid: row.appid }], 'replayed')
      throw new GatewayError('A0220')
    }
    if (row.status !== 'active') throw await refusal(content.sid)
    const session: OpenSession = {
      userId: row.user_id,
      sid: row.sid,
      platform: row.platform,
      appid: row.appid,
      openid: row.openid,
      unionid: row.unionid,
      roles: row.roles,
      statusIndex: row.status_index,
      refreshCounter: row.refresh_counter,
      idleExpiresAt: row.idle_expires_at,
      expiresAt: row.expires_at,
    }
    return await reply(session, { nickname: row.nickname, isNew: false })
  }

  async function end(sid: string, origin: Origin): Promise<void> {
    const ended = await store.end((eb) => eb('id', '=', sid), 'logout', origin)
    if (ended.length > 0) onEnded(ended, 'logout')
  }

  return {
    lifetimes: (app) => ({
      idleSeconds: app.refreshTokenTtlSeconds ?? config.refreshTokenTtlSeconds,
      absoluteSeconds: app.sessionTtlSeconds ?? config.sessionTtlSeconds,
    }),
    reply,
    async refresh(refreshToken, origin) {
      try {
        const tokens = await refresh(refreshToken, origin)
        onRefresh('ok')
        return tokens
      } catch (error) {
        if (error instanceof GatewayError)
          onRefresh(error.code === 'A0220' ? 'replayed' : error.code === 'A0202' ? 'suspended' : 'refused')
        throw error
      }
    },
    async endByRefreshToken(refreshToken, origin) {
      const content = refreshTokens.read(refreshToken)
      if (!content) throw new GatewayError('A0230', { note: 'refresh token was not made here' })
      await end(content.sid, origin)
    },
    end,
    async authenticate(accessToken) {
      const verified = await accessTokens.verify(accessToken)
      const session = await store.find(verified.sid)
      if (!session || session.ended_at || session.status !== 'active' || session.expires_at <= clock.now())
        throw await refusal(verified.sid)
      return verified
    },
  }
}
