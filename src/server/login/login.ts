/** A login: exchange the code, find or create the user, keep the session_key, open a session, answer with its tokens. */
import type { Actor } from '../actor.ts'
import type { Audit } from '../audit/audit.ts'
import type { Clients } from '../clients/clients.ts'
import type { Clock } from '../clock.ts'
import { GatewayError } from '../errors.ts'
import type { OnSessionsEnded } from '../events/session-ended.ts'
import { PlatformError } from '../platforms/platform.ts'
import type { App, Apps } from '../platforms/registry.ts'
import { enforce, type RateLimit } from '../rate-limit/rate-limit.ts'
import type { Vault } from '../session-key/vault.ts'
import type { Sessions } from '../sessions/sessions.ts'
import type { TokenReply } from '../sessions/token-reply.ts'
import { CacheUnavailable } from '../storage/cache.ts'
import type { Users } from '../users/users.ts'
import type { Exchanged, Replay } from './replay.ts'
import type { LoginStore, SignedIn, SignIn } from './store.ts'
import { type ChosenProfile, readUserInfo, type UserInfoInput } from './user-info.ts'

export type LoginRequest = UserInfoInput & {
  code: string
  appid?: string | undefined
  platform?: string | undefined
  device?: string | undefined
}

export type Login = {
  /** `permitted` is awaited before anything is sent to the platform. */
  login(request: LoginRequest, actor: Actor, permitted: Promise<void>): Promise<TokenReply>
}

export type LoginParts = {
  apps: Apps
  replay: Replay
  vault: Vault
  store: LoginStore
  users: Users
  sessions: Sessions
  clients: Clients
  audit: Audit
  clock: Clock
  perOpenid: RateLimit | undefined
  onEnded: OnSessionsEnded
  onLogin: (platform: string, outcome: string) => void
  onVaultLost: (error: unknown) => void
}

/** A lost race is settled by looking again; more often than this it is a defect. */
const MAX_ATTEMPTS = 6

export function createLogin(parts: LoginParts): Login {
  const {
    apps,
    replay,
    vault,
    store,
    users,
    sessions,
    clients,
    audit,
    clock,
    perOpenid,
    onEnded,
    onLogin,
    onVaultLost,
  } = parts

  /** Sends the sign-in until it has a user: joins by unionid where one appeared, looks again after a lost race. */
  async function signIn(request: SignIn, actor: Actor): Promise<SignedIn> {
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt += 1) {
      const result = await store.signIn(request)
      const { unionid, unionName, platform, appid, openid, newUserId, sid } = request
      if (typeof result === 'object') {
        // Here, since it is committed: whatever else refuses this login, these sessions have ended.
        const { displaced, user_id: userId } = result
        if (displaced)
          onEnded(
            displaced.map((session) => ({ ...session, userId, appid })),
            'limit',
          )
        if (result.status_index !== null) return result
        if (result.status === 'suspended') throw new GatewayError('A0202')
        if (result.status === 'erased') throw new GatewayError('A0203')
      } else if (unionid !== undefined && unionName !== undefined) {
        const join = {
          platform,
          appid,
          openid,
          unionid,
          unionName,
          newUserId,
          firstSessionId: sid,
          actor,
          at: clock.now(),
        }
        await users.joinUnion(join)
      }
    }
    throw new Error('a sign-in did not settle')
  }

  /** Without the cache a login still works; only what needs the session_key later does not. */
  function keepSessionKey(app: App, { openid, sessionKey }: Exchanged): Promise<unknown> | undefined {
    if (sessionKey === undefined) return undefined
    return vault.put({ platform: app.platform, appid: app.appid, openid }, sessionKey).catch((error: unknown) => {
      if (!(error instanceof CacheUnavailable)) throw error
      onVaultLost(error)
    })
  }

  function toSignIn(
    app: App,
    exchanged: Exchanged,
    profile: ChosenProfile,
    request: LoginRequest,
    actor: Actor,
  ): SignIn {
    const client = clients.of(app)
    return {
      platform: app.platform,
      appid: app.appid,
      openid: exchanged.openid,
      unionid: exchanged.unionid,
      unionName: client.union,
      sid: exchanged.sid,
      newUserId: exchanged.newUserId,
      nickname: profile.nickname,
      avatar: profile.avatar,
      sex: profile.sex,
      device: request.device,
      ip: actor.ip,
      requestId: actor.requestId ?? '',
      idleSeconds: client.idleSeconds,
      absoluteSeconds: client.absoluteSeconds,
    }
  }

  async function login(app: App, request: LoginRequest, actor: Actor, permitted: Promise<void>): Promise<TokenReply> {
    const exchanged = await replay.exchangeOnce(app, request.code, permitted)
    const { openid, sessionKey, sid } = exchanged
    const profile = readUserInfo(request, { appid: app.appid, openid, sessionKey, now: clock.now() })
    // Counted beside the sign-in, so that it costs no round trip: a refusal that comes late leaves at most a session that nobody
    // has a token of.
    const counted = enforce(perOpenid, `${app.platform}:${app.appid}:${openid}`)
    const [signed] = await Promise.all([
      signIn(toSignIn(app, exchanged, profile, request, actor), actor),
      keepSessionKey(app, exchanged),
      counted,
    ])
    if (signed.ended_at) throw new GatewayError('A0223', { note: 'this code was used, and its session has ended' })
    return sessions.reply(
      {
        userId: signed.user_id,
        sid,
        platform: app.platform,
        appid: app.appid,
        openid,
        unionid: signed.unionid,
        roles: signed.roles,
        statusIndex: signed.status_index ?? 0,
        refreshCounter: 0,
        endsInSeconds: signed.ends_in_seconds ?? 0,
      },
      { nickname: signed.nickname, isNew: signed.first_session_id === sid },
    )
  }

  return {
    async login(request, actor, permitted) {
      const app = apps.choose(request.appid, request.platform)
      try {
        const tokens = await login(app, request, actor, permitted)
        onLogin(app.platform, 'ok')
        return tokens
      } catch (error) {
        const reason = refusalOf(error)
        onLogin(app.platform, reason ?? (isRateLimited(error) ? 'rate_limited' : 'failed'))
        if (reason)
          audit.record({ kind: 'login_refused', at: clock.now(), actor, appid: app.appid, detail: { reason } })
        throw error
      }
    },
  }
}

/** Why a login was refused, where it was: the platform's code or ours. Undefined for an outage or a defect. */
function refusalOf(error: unknown): string | undefined {
  // A code we do not know stays in the log: this is a metric's label too, and those must be few.
  if (error instanceof PlatformError && error.failure === 'refused')
    return `platform_${error.refusal === 'unknown' ? 'unknown' : error.errcode}`
  if (error instanceof GatewayError && ['A0202', 'A0203', 'A0223', 'A0340'].includes(error.code)) return error.code
  return undefined
}

const isRateLimited = (error: unknown): boolean => error instanceof GatewayError && error.code === 'A0501'
