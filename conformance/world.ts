/** What a check works in: the service, the simulated WeChat, and people whom nobody met before. */
import { randomBytes } from 'node:crypto'
import { expectSuccess } from './checks.ts'
import type { Answer } from './http.ts'
import type { App, Profile } from './profile.ts'
import { CannotTest } from './requirement.ts'
import { createService, type LoginOptions, type Service, type Tokens, textAt } from './service.ts'
import { createWechat, type Wechat } from './wechat.ts'

export type SignedIn = Tokens & { answer: Answer; code: string; person: string; app: App }

export type World = {
  service: Service
  profile: Profile
  wechat: Wechat
  /** Someone new to the service. */
  someone(): string
  /** A code that WeChat did not give, and that nobody has asked for before. */
  unknownCode(): string
  /** A code of wx.login. */
  codeOf(person: string, app?: App, options?: { unionid?: boolean }): Promise<string>
  /** What a successful login or refresh gave, with the user's id even where only the profile's `me` tells it. */
  tokensOf(answer: Answer, what: string): Promise<Tokens>
  /** Logs in and expects it to succeed. */
  signIn(person?: string, options?: LoginOptions & { unionid?: boolean }): Promise<SignedIn>
  /** How long a check may wait for time to pass. */
  patienceSeconds: number
}

/** The world of one run: people are called so that nobody of an earlier run is met. */
export function worldOf(
  site: { bases: readonly string[]; internal: string; wechat: string; values: Readonly<Record<string, string>> },
  profile: Profile,
  patienceSeconds: number,
): World {
  const { bases, internal, values, wechat } = site
  return createWorld({
    service: createService({ profile, bases, internal: internal || undefined, values }),
    wechat: createWechat(wechat),
    patienceSeconds,
    run: randomBytes(4).toString('hex'),
  })
}

type WorldParts = { service: Service; wechat: Wechat; patienceSeconds: number; run: string }

function createWorld({ service, wechat, patienceSeconds, run }: WorldParts): World {
  const { profile } = service
  const { main } = profile.apps
  let people = 0
  const someone = () => `mpl-${run}-${++people}`
  const codeOf: World['codeOf'] = (person, app = main, options = {}) => wechat.code(app.appid, person, options)

  const tokensOf: World['tokensOf'] = async (answer, what) => {
    const tokens = expectSuccess(service, answer, what)
    const path = profile.me?.answer.user
    if (tokens.user !== undefined || path === undefined) return tokens
    return { ...tokens, user: textAt(await service.me(tokens.access), path) }
  }

  return {
    service,
    profile,
    wechat,
    someone,
    unknownCode: () => `0b3${run}${++people}`.padEnd(32, 'u'),
    codeOf,
    async signIn(person = someone(), { unionid, ...options } = {}) {
      const app = options.app ?? main
      const code = await codeOf(person, app, unionid === undefined ? {} : { unionid })
      const answer = await service.login(code, options)
      return { ...(await tokensOf(answer, 'a login with a fresh code')), answer, code, person, app }
    },
    tokensOf,
    patienceSeconds,
  }
}

/** The user's id, of a service that tells it. */
export function userOf({ user }: Pick<Tokens, 'user'>): string {
  if (user === undefined) throw new CannotTest('no user id: set login.answer.user or me.answer.user in the profile')
  return user
}
