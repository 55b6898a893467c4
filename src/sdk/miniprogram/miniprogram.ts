/** The mini-program SDK: silent login, one renewal in flight, requests that survive an expired token, and nothing for pages to think about. */
import { adapt, type Host, type HostRequest } from './adapters.ts'
import { AuthError, restate } from './error.ts'
import { createFuse } from './fuse.ts'
import { createTarget, multipart, unwrap, waitFor } from './http.ts'
import type { Auth, AuthOptions, Clock, LoginOptions, RequestOptions } from './options.ts'
import { prefetchedLogin } from './prefetch.ts'
import { createSession, type Held, type User, userOf } from './session.ts'
import type { Profile, TokenReply } from './wire.ts'

export type { MiniProgramApi } from './adapters.ts'
export { AuthError, type AuthErrorCode } from './error.ts'
export type * from './options.ts'
export type { User } from './session.ts'
export type * from './wire.ts'

// Every mini program has timers; the language's own library does not name them.
declare function setTimeout(run: () => void, ms: number): unknown

/** One request may be tried this often against lost replies and servers that ask for patience. */
const TRIES = 3

const systemClock: Clock = { now: Date.now, sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)) }

const ignore = () => undefined
const loggedOut = () => new AuthError('LOGGED_OUT', '已退出登录')
const stale = () => new AuthError('A0240', '请再点一次')

export function createAuth(options: AuthOptions): Auth {
  const baseURL = options.baseURL.replace(/\/+$/, '')
  const { audiences = [], timeoutMs: timeout = 10_000, clock: { now, sleep } = systemClock } = options
  const target = createTarget(baseURL, audiences)
  const fuse = createFuse(now)
  const listeners = new Set<(user: User | null) => void>()

  let known: Host | undefined
  /** The platform is first touched when first needed, so that a module may create its `auth` while it loads. */
  const host = (): Host => {
    known = known || adapt(options.api)
    return known
  }
  const appid = () => options.appid || host().appid()

  const session = createSession({
    now,
    host,
    key: () => `auth:${baseURL}:${appid()}`,
    // A listener's own mistake is its own: it must not break the login that it hears of.
    changed: (user) => listeners.forEach((listener) => void Promise.resolve(user).then(listener)),
  })

  let flight: Promise<Held> | undefined
  let blocked: AuthError | undefined
  /** Counts logouts, so that a reply from before one cannot undo it. */
  let logouts = 0
  /** Counts logins, so that data encrypted under the session_key of an earlier one is not sent after it. */
  let logins = 0
  /** Looked at once in a life of the program: what WeChat keeps may be shown again, and its refresh token is good once. */
  let prefetch = true

  /** Sends until there is an answer worth returning: bounded, and never sooner than the server asks. */
  async function patiently<Data>(request: HostRequest, replyMayBeLost: boolean, tries = 1): Promise<Data> {
    try {
      return unwrap<Data>(await host().send(request))
    } catch (error) {
      const wait = tries < TRIES ? waitFor(error, tries, replyMayBeLost) : undefined
      if (wait === undefined) throw error
      await sleep(wait)
      return patiently(request, replyMayBeLost, tries + 1)
    }
  }

  /** A call that the contract makes safe to repeat: the same code or refresh token gets the same answer (sections 4 and 5). */
  const post = (path: string, data: object) =>
    patiently<TokenReply>({ url: baseURL + path, method: 'POST', header: {}, data, timeout }, true)

  const endQuietly = (refresh: string) => post('/api/logout', { refresh_token: refresh }).catch(ignore)

  async function exchange(how: LoginOptions, again?: boolean): Promise<TokenReply> {
    const wanted = prefetch && !Object.keys(how).length
    prefetch = false
    const early = wanted && (await prefetchedLogin(host(), now, session.current()?.user_id))
    if (early) {
      logins++
      return early
    }
    const code = how.code || (how.ticket ? undefined : await host().login(!!how.force, timeout))
    const { platform, device = host().device() } = options
    const body = Object.assign({ appid: appid(), platform, device: device || undefined }, how, {
      code,
      force: undefined,
    })
    try {
      // Through JSON, which leaves out what is not set.
      const reply = await post('/api/login', JSON.parse(JSON.stringify(body)))
      logins++
      return reply
    } catch (error) {
      // One fresh code, for one that grew old or was spent on the way; a code the caller brought cannot be replaced.
      if ((error as AuthError).code !== 'A0223' || again || how.code || how.ticket) throw error
      return exchange(how, true)
    }
  }

  /** Runs one renewal under the fuse, and turns away a reply that comes after a logout. */
  async function renew(fetchTokens: () => Promise<TokenReply | Held>, asked?: boolean): Promise<Held> {
    const begun = logouts
    fuse.enter(asked)
    try {
      const reply = await fetchTokens()
      if ('receivedAt' in reply) return reply
      if (logouts === begun) return session.keep(reply)
      void endQuietly(reply.refresh_token)
    } catch (error) {
      const { code, retryAfter } = error as AuthError
      if (code === 'NETWORK' && !asked) fuse.refund()
      if (retryAfter) fuse.open(error as AuthError, retryAfter * 1000)
      // Suspended, erased, blocked by the platform: asking again changes nothing.
      if (logouts === begun && /A020[23]|A0321|LOGGED_OUT/.test(code)) {
        blocked = error as AuthError
        session.forget()
      }
      throw error
    }
    throw loggedOut()
  }

  /** Everyone who needs a token while one is being fetched waits for that one. */
  function fly(fetchTokens: () => Promise<TokenReply | Held>, asked?: boolean): Promise<Held> {
    const mine = host().exclusive(() => renew(fetchTokens, asked))
    const land = () => {
      if (flight === mine) flight = undefined
    }
    flight = mine
    mine.then(land, land)
    return mine
  }

  /** Dead (A0230) or replayed (A0220) refresh tokens end in a silent login; the user notices neither. */
  async function refresh(): Promise<TokenReply | Held> {
    session.sync()
    // Another page of this origin may have renewed while this one waited for its turn.
    const renewed = session.fresh()
    if (renewed) return renewed
    const held = session.current()
    if (!held) return exchange({})
    return post('/api/refresh', { refresh_token: held.refresh_token }).catch((error: AuthError) => {
      if (/A02[23]0/.test(error.code)) return exchange({})
      throw error
    })
  }

  async function access(): Promise<Held> {
    let held = session.fresh()
    if (!held && !flight) {
      if (session.sync()) throw loggedOut()
      held = session.fresh()
      if (!held && blocked) throw blocked
    }
    if (held) return held
    return (flight || fly(refresh)).catch((error) => {
      // The renewal came early; where it failed for the moment, the old token still has its last minute.
      held = session.alive()
      if (held) return held
      throw error
    })
  }

  /** `asked`: by a person, as far as the SDK can know. */
  async function login(how: LoginOptions = {}, asked = false): Promise<User> {
    blocked = undefined
    if (session.sync()) session.forget()
    const given = Object.keys(how).join()
    if (!given) return userOf(await access())
    const before = logins
    while (flight) await flight.catch(ignore)
    const old = session.current()
    // A login that went out while this one waited is as new as this one would be, unless this one brings data.
    if (old && logins !== before && given === 'force') return userOf(old)
    const held = await fly(() => exchange(how), asked)
    if (old && old.refresh_token !== held.refresh_token) void endQuietly(old.refresh_token)
    return userOf(held)
  }

  function signOut(): void {
    logouts++
    flight = undefined
    session.forget(true)
  }

  /** Sends with a token; where the check of the token turned the request away, and only there, renews and sends once more. */
  async function request<Data>(how: RequestOptions, sameLogin?: number, replay?: boolean): Promise<Data> {
    const url = target(how.url)
    const { data, responseType = 'text', timeoutMs = timeout } = how
    let { method = 'GET' } = how
    const held = await access()
    if (sameLogin !== undefined && sameLogin !== logins) throw stale()

    const header: Record<string, string> = Object.assign({}, how.header, { Authorization: `Bearer ${held.token}` })
    // wx.request has no PATCH, and does not say whether it sends the body of a DELETE.
    if (method === 'PATCH' || (method === 'DELETE' && data)) {
      header['X-HTTP-Method-Override'] = method
      method = 'POST'
    }
    const sent = { url, method, data, header, responseType, timeout: timeoutMs }
    try {
      const answer = await patiently<Data>(sent, false, method === 'GET' ? 1 : TRIES)
      // The account is gone; the next page's request must not silently make a new one.
      if (how.method === 'DELETE' && url === `${baseURL}/api/user`) signOut()
      return answer
    } catch (error) {
      if (replay || (error as AuthError).code !== 'A0230' || (error as AuthError).statusCode !== 401) throw error
      held.rejected = true
      return request(how, sameLogin, true)
    }
  }

  return {
    login: (how) => login(how, true),
    request: (how) => request(how),

    async upload(how) {
      const { filePath, url = '/api/user/avatar', method = 'PUT', name = 'file', timeoutMs = 60_000 } = how
      const { type, body } = multipart(name, filePath, await host().readFile(filePath))
      return request({ url, method, data: body, header: { 'Content-Type': type }, timeoutMs })
    },

    async prepareEncryptedData() {
      const valid = session.sync() || !session.user() || (await host().checkSession())
      await (valid ? access() : login({ force: true }))
    },

    async bindPhone(event) {
      const { code, encryptedData, iv, errMsg } = event.detail
      if (!code && !encryptedData) throw new AuthError('PHONE_REFUSED', '未获得手机号', { body: errMsg })
      const before = logins
      const data = code ? { code } : { encryptedData, iv }
      try {
        if (!code && !(await host().checkSession())) throw stale()
        return await request<Profile>({ url: '/api/user/phone', method: 'POST', data }, code ? undefined : before)
      } catch (error) {
        const failed = (error as AuthError).code
        // What was encrypted under a lost key stays closed; a new login brings a new key, and the next tap new data under it.
        if (failed === 'A0240' && logins === before) await login({ force: true })
        throw /A02(40|23)/.test(failed) ? restate(error as AuthError, { tapAgain: true }) : error
      }
    },

    ticket: (data) => request({ url: '/api/tickets', method: 'POST', data }),

    async token(not) {
      const held = session.current()
      if (held && held.token === not) held.rejected = true
      return (await access()).token
    },

    async logout() {
      const old = session.current()
      signOut()
      if (old) await endQuietly(old.refresh_token)
    },

    user: session.user,

    onChange(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
  }
}
