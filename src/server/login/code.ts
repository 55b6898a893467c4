/** Login by a code of the platform: exchange it once, read the signed user info, keep the session_key, and sign the person in. */
import type { Actor } from '../actor.ts'
import type { Clients } from '../clients/clients.ts'
import type { Clock } from '../clock.ts'
import { GatewayError } from '../errors.ts'
import type { PlatformIdentity } from '../platforms/platform.ts'
import type { App, Apps } from '../platforms/registry.ts'
import type { TextCheck } from '../profile/text-check.ts'
import type { Vault } from '../session-key/vault.ts'
import type { TokenReply } from '../sessions/token-reply.ts'
import { CacheUnavailable } from '../storage/cache.ts'
import type { Admission } from './admission.ts'
import type { Exchanged, Replay } from './replay.ts'
import type { Proof, SignIn } from './sign-in.ts'
import { type ChosenProfile, readUserInfo, type UserInfoInput } from './user-info.ts'

export type CodeLoginRequest = UserInfoInput & {
  code: string
  appid?: string | undefined
  platform?: string | undefined
  device?: string | undefined
}

/** Throws as the exchange does (replay.ts), A0340 when signed or encrypted data does not fit, and as `signIn` does. */
export type CodeLogin = (request: CodeLoginRequest, actor: Actor, admission: Admission) => Promise<TokenReply>

/** The same up to the session: who it is, for whoever opens one later. */
export type ProveByCode = (app: App, request: CodeLoginRequest, admission: Admission) => Promise<Proof>

export type CodeLoginParts = {
  apps: Apps
  clients: Clients
  replay: Replay
  vault: Vault
  signIn: SignIn
  /** Of texts that others will read. */
  textCheck: TextCheck
  clock: Clock
  onSessionKeyLost: (error: unknown) => void
}

export function createCodeLogin(parts: CodeLoginParts): { codeLogin: CodeLogin; proveByCode: ProveByCode } {
  const { apps, clients, replay, vault, signIn, textCheck, clock, onSessionKeyLost } = parts

  /** Without the cache a login still works; only what needs the session_key later does not. */
  function keepSessionKey({ platform, appid }: App, { openid, sessionKey }: Exchanged): Promise<unknown> | undefined {
    if (sessionKey === undefined) return undefined
    return vault.put({ platform, appid, openid }, sessionKey).catch((error: unknown) => {
      if (!(error instanceof CacheUnavailable)) throw error
      onSessionKeyLost(error)
    })
  }

  /** A nickname at login is decoration: one that the check does not pass is dropped, whatever kept it from passing. */
  async function checked({ nickname, ...rest }: ChosenProfile, person: PlatformIdentity): Promise<ChosenProfile> {
    if (nickname === undefined) return rest
    return await textCheck(person, [nickname]).then(
      () => ({ nickname, ...rest }),
      (error: unknown) => {
        if (error instanceof GatewayError) return rest
        throw error
      },
    )
  }

  const proveByCode: ProveByCode = async (app, request, admission) => {
    const exchanged = await replay.exchangeOnce(app, request.code, admission)
    const { openid, unionid, sessionKey, sid, newUserId, userinfo = request.userinfo } = exchanged
    const { platform, appid } = app
    const told = readUserInfo({ ...request, userinfo }, { appid, openid, sessionKey, now: clock.now() })
    const profile = await checked(told, { platform, appid, openid })
    return { identity: { openid, unionid, profile }, sid, newUserId, keep: () => keepSessionKey(app, exchanged) }
  }

  return {
    proveByCode,
    async codeLogin(request, actor, admission) {
      const app = apps.choose(request.appid, request.platform)
      const { device } = request
      return await signIn({ client: clients.of(app), device, actor }, () => proveByCode(app, request, admission))
    },
  }
}
