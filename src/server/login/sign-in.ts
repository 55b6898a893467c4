/** A proved platform identity becomes a user with an open session: every way to log in ends here. */
import type { Actor } from '../actor.ts'
import type { Audit } from '../audit/audit.ts'
import type { Client } from '../clients/clients.ts'
import type { Clock } from '../clock.ts'
import { GatewayError } from '../errors.ts'
import type { OnSessionsEnded } from '../events/session-ended.ts'
import { networkOf } from '../http/address.ts'
import { PlatformError } from '../platforms/platform.ts'
import { enforce, type RateLimit } from '../rate-limit/rate-limit.ts'
import type { Sessions } from '../sessions/sessions.ts'
import type { TokenReply } from '../sessions/token-reply.ts'
import type { Users } from '../users/users.ts'
import type { LoginStore, SignedIn, SignInItem } from './store.ts'
import type { ChosenProfile } from './user-info.ts'

export type SignInRequest = {
  /** The client that the session is opened for. */
  client: Client
  device: string | undefined
  actor: Actor
}

/** Who a platform says is there, and what this person chose to tell of themselves. */
export type ProvedIdentity = { openid: string; unionid?: string | undefined; profile: ChosenProfile }

export type Proved = { identity: ProvedIdentity }

export type Proof = Proved & {
  /** The session's id, chosen beforehand: the same proof sent twice opens one session. */
  sid: string
  /** The id the user gets if this person is new to us. */
  newUserId: string
  /** Keeps what else the proof brought along, beside the sign-in, so that it costs no time of its own. */
  keep?: () => Promise<unknown> | undefined
}

/**
 * Opens a session for whoever `prove` finds, and answers with its tokens. Every outcome is counted and every refusal audited, those
 * of `prove` included. Throws what `prove` throws; A0501; A0202 or A0203; A0223 when the session of this very proof has ended.
 */
export type SignIn = (request: SignInRequest, prove: () => Promise<Proof>) => Promise<TokenReply>

/** A proof whose session is opened later: its refusals are counted and audited here. */
export type Proving = <T>(request: SignInRequest, prove: () => Promise<T>) => Promise<T>

/** Opens a session for a user who is known already: from another session of theirs, or because they confirmed it there. */
export type OpenForRequest = SignInRequest & {
  /** The session's id, chosen beforehand: the same request sent twice opens one session. */
  sid: string
  /** parentSid: the new session ends with that one. userId: it stands alone. */
  from: { parentSid: string } | { userId: string }
}

/** Answers with its tokens. Throws A0202, A0203, or A0223 when the session it comes from has ended. */
export type OpenFor = (request: OpenForRequest) => Promise<TokenReply>

export type SignInParts = {
  store: LoginStore
  users: Pick<Users, 'joinUnion'>
  sessions: Pick<Sessions, 'reply'>
  audit: Audit
  clock: Clock
  perOpenid: RateLimit | undefined
  onEnded: OnSessionsEnded
  onLogin: (platform: string, outcome: string) => void
}

/** A lost race is settled by looking again; more often than this it is a defect. */
const MAX_ATTEMPTS = 6

export function createSignIn(parts: SignInParts): { signIn: SignIn; openFor: OpenFor; proving: Proving } {
  const { store, users, sessions, audit, clock, perOpenid, onEnded, onLogin } = parts

  /** Sends the sign-in until it has a user: joins by unionid where one appeared, looks again after a lost race. */
  async function settle(item: SignInItem, actor: Actor): Promise<SignedIn> {
    const { platform, appid, openid, unionid, unionName, newUserId, sid: firstSessionId } = item
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt += 1) {
      const result = await store.signIn(item)
      if (typeof result === 'object') {
        if (result.statusIndex !== null) {
          // Here, since it is committed: whatever else refuses this login, these sessions have ended.
          const { displaced, userId } = result
          if (displaced)
            onEnded(
              displaced.map((session) => ({ ...session, userId, appid })),
              'limit',
            )
          return result
        }
        if (result.status === 'suspended') throw new GatewayError('A0202')
        if (result.status === 'erased') throw new GatewayError('A0203')
      } else if (unionid !== undefined && unionName !== undefined) {
        const at = clock.now()
        await users.joinUnion({ platform, appid, openid, unionid, unionName, newUserId, firstSessionId, actor, at })
      }
    }
    throw new Error('a sign-in did not settle')
  }

  async function open({ client, device, actor }: SignInRequest, proof: Proof): Promise<TokenReply> {
    const { sid, newUserId } = proof
    const { openid, unionid, profile } = proof.identity
    // Counted beside the sign-in, so that it costs no round trip: a refusal known beforehand throws before anything is done; one that
    // comes late leaves at most a session that nobody has a token of.
    const counted = enforce(perOpenid, `${client.platform}:${client.id}:${openid}`)
    const item: SignInItem = {
      platform: client.platform,
      appid: client.id,
      openid,
      unionid,
      unionName: client.kind === 'app' ? client.union : undefined,
      sid,
      newUserId,
      nickname: profile.nickname,
      avatar: profile.avatar,
      sex: profile.sex,
      device,
      ip: actor.ip,
      requestId: actor.requestId ?? '',
      idleSeconds: client.idleSeconds,
      absoluteSeconds: client.absoluteSeconds,
    }
    const [signed] = await Promise.all([settle(item, actor), proof.keep?.(), counted])
    if (signed.endedAt) throw new GatewayError('A0223', { note: 'this was used before, and its session has ended' })
    // Contract 4.2: once the session has been used, whoever comes with the code again is not its person for sure.
    if (signed.used) throw new GatewayError('A0223', { note: 'this was used before, and its session is in use' })
    if (signed.openedFrom !== null && networkOf(signed.openedFrom) !== networkOf(actor.ip)) {
      const ids = { user_id: signed.userId, session_id: sid, appid: client.id }
      audit.record({ kind: 'login_replayed', at: clock.now(), actor, ...ids })
    }
    return sessions.reply(
      {
        userId: signed.userId,
        sid,
        platform: client.platform,
        appid: client.id,
        openid,
        unionid: signed.unionid,
        roles: signed.roles,
        claims: signed.claims,
        externalId: signed.externalId,
        statusIndex: signed.statusIndex,
        refreshCounter: 0,
        endsInSeconds: signed.endsInSeconds,
        sessionEndsAt: signed.sessionEndsAt,
      },
      { nickname: signed.nickname, isNew: signed.firstSessionId === sid },
    )
  }

  async function openFor({ client, device, actor, sid, from }: OpenForRequest): Promise<TokenReply> {
    const opened = await store.openFor({ client, device, actor, sid, from })
    if (!opened) throw new GatewayError('A0223', { note: 'the session it comes from has ended' })
    if (opened.status === 'suspended') throw new GatewayError('A0202')
    if (opened.status === 'erased') throw new GatewayError('A0203')
    const { userId, roles, claims, externalId, statusIndex, endsInSeconds, sessionEndsAt, nickname } = opened
    const { platform, id: appid } = client
    return sessions.reply(
      {
        userId,
        sid,
        platform,
        appid,
        roles,
        claims,
        externalId,
        statusIndex,
        refreshCounter: 0,
        endsInSeconds,
        sessionEndsAt,
      },
      { nickname, isNew: false },
    )
  }

  /** Counts every refusal of a way to log in, and audits it. */
  async function proving<T>({ client, actor }: SignInRequest, work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      const reason = refusalOf(error)
      onLogin(client.platform, reason ?? (isRateLimited(error) ? 'rate_limited' : 'failed'))
      if (reason) audit.record({ kind: 'login_refused', at: clock.now(), actor, appid: client.id, detail: { reason } })
      throw error
    }
  }

  async function watched(request: SignInRequest, work: () => Promise<TokenReply>): Promise<TokenReply> {
    const tokens = await proving(request, work)
    onLogin(request.client.platform, 'ok')
    return tokens
  }

  return {
    proving,
    signIn: (request, prove) => watched(request, async () => open(request, await prove())),
    openFor: (request) => watched(request, () => openFor(request)),
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
