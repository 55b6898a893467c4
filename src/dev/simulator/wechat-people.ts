/** Who uses the simulated mini programs: their ids, their one valid session_key per app, and the codes their clients hold. */
import type { Clock } from '../../server/clock.ts'
import { newSessionKey, randomAlphanumerics, stableId } from './wechat-crypto.ts'

/** One mini program. Apps with the same `openPlatform` see the same unionid for the same person; without it, none. */
export type SimulatedApp = {
  appid: string
  secret: string
  openPlatform?: string | undefined
  /** Of WeChat OAuth; without it a mini program. */
  kind?: OauthKind | undefined
}

/** An official account's page, a website, a native app. */
export const oauthKinds = ['page', 'web', 'app'] as const
export type OauthKind = (typeof oauthKinds)[number]

export type Member = {
  appid: string
  openid: string
  unionid: string | undefined
  /** The only valid one: the newest wx.login or exchange replaces it. */
  sessionKey: string
  lastSeenAt: Date
}

type Code = { appid: string; person: string; expiresAt: number } & (
  | { kind: 'login'; sessionKey: string; unionid: boolean }
  | { kind: 'phone'; phone: string | undefined }
  | ({ kind: 'oauth' } & OauthConsent)
)

/** What the person let the app have. `snapshot`: the page is open in the browse-only mode, whose account is made up. */
export type OauthConsent = { scope: 'snsapi_base' | 'snsapi_userinfo' | 'snsapi_login'; snapshot?: boolean | undefined }

const CODE_LIFETIME_MS = 5 * 60_000
// dev:<person>:<nonce> is a login code, dev-phone:<person>:<nonce> a phone code, minted when first seen.
const DEV_CODE = /^(dev|dev-phone):([^:]+):.+$/s

/** `capacity` bounds each kind of memory; past it, what was used longest ago is forgotten. */
export function createPeople(apps: readonly SimulatedApp[], clock: Clock, capacity: number) {
  const appsById = new Map(apps.map((app) => [app.appid, app]))
  const members = new Map<string, Member>()
  const membersByOpenid = new Map<string, Member>()
  const fresh = new Map<string, Code>()
  /** Spent codes and the app each was for; kept apart so that a flood of them never pushes out an unused one. */
  const spent = new Map<string, string>()

  function app(appid: string): SimulatedApp {
    const found = appsById.get(appid)
    if (!found) throw new Error(`the simulator has no app ${appid}`)
    return found
  }

  function member(appid: string, person: string): Member {
    const id = JSON.stringify([appid, person])
    const known = members.get(id)
    if (known) return known
    const { openPlatform } = app(appid)
    const created: Member = {
      appid,
      openid: stableId('openid', appid, person),
      unionid: openPlatform === undefined ? undefined : stableId('unionid', openPlatform, person),
      sessionKey: newSessionKey(),
      lastSeenAt: clock.now(),
    }
    remember(members, id, created)
    remember(membersByOpenid, created.openid, created)
    return created
  }

  /** A person opens the app, which renews the session_key and keeps their place in memory. */
  function visit(appid: string, person: string, sessionKey: string): Member {
    const visitor = member(appid, person)
    visitor.sessionKey = sessionKey
    visitor.lastSeenAt = clock.now()
    remember(members, JSON.stringify([appid, person]), visitor)
    remember(membersByOpenid, visitor.openid, visitor)
    return visitor
  }

  function remember<T>(memory: Map<string, T>, id: string, value: T): void {
    memory.delete(id)
    memory.set(id, value)
    if (memory.size <= capacity) return
    for (const oldest of memory.keys()) {
      memory.delete(oldest)
      return
    }
  }

  function mint(code: Code, text = randomAlphanumerics(32)): string {
    const now = clock.now().getTime()
    for (const [oldest, { expiresAt }] of fresh) {
      if (expiresAt > now) break
      fresh.delete(oldest)
    }
    remember(fresh, text, code)
    return text
  }

  const expiry = () => clock.now().getTime() + CODE_LIFETIME_MS

  // Data is encrypted under the key that belongs to the newest wx.login, and the exchange of that code hands this very
  // key over: a payload taken after wx.login opens, one taken before it does not.
  function mintLogin(appid: string, person: string, unionid: boolean, text?: string): string {
    const sessionKey = newSessionKey()
    visit(appid, person, sessionKey)
    return mint({ kind: 'login', appid, person, sessionKey, unionid, expiresAt: expiry() }, text)
  }

  function mintPhone(appid: string, person: string, phone: string | undefined, text?: string): string {
    member(appid, person)
    return mint({ kind: 'phone', appid, person, phone, expiresAt: expiry() }, text)
  }

  function mintOauth(appid: string, person: string, { scope, snapshot }: OauthConsent, text?: string): string {
    member(appid, person)
    return mint({ kind: 'oauth', appid, person, scope, snapshot, expiresAt: expiry() }, text)
  }

  function mintDevCode(appid: string, text: string): void {
    const [, prefix, person] = DEV_CODE.exec(text) ?? []
    if (person === undefined || fresh.has(text) || spent.has(text)) return
    if (app(appid).kind) mintOauth(appid, person, { scope: 'snsapi_userinfo' }, text)
    else if (prefix === 'dev') mintLogin(appid, person, true, text)
    else mintPhone(appid, person, undefined, text)
  }

  /** The unspent code of this app and kind, or why there is none. Looking does not spend it. */
  function find<K extends Code['kind']>(kind: K, appid: string, text: string) {
    mintDevCode(appid, text)
    if (spent.get(text) === appid) return 'used'
    const code = fresh.get(text)
    if (!code || code.kind !== kind || code.appid !== appid || code.expiresAt <= clock.now().getTime()) return 'invalid'
    return code as Extract<Code, { kind: K }>
  }

  function spend(text: string, code: Code): void {
    fresh.delete(text)
    remember(spent, text, code.appid)
  }

  return {
    findApp: (appid: string): SimulatedApp | undefined => appsById.get(appid),
    member,
    visit,
    mintLogin,
    mintPhone,
    mintOauth,
    find,
    spend,
    memberByOpenid: (openid: string): Member | undefined => membersByOpenid.get(openid),
    remembered: () => ({ members: members.size, freshCodes: fresh.size, spentCodes: spent.size }),
  }
}

export type People = ReturnType<typeof createPeople>
