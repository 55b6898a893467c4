/**
 * The browser SDK: takes a hand-off ticket out of the address, keeps its session and sends requests with a token. The core is the
 * mini-program SDK's; only the host is another.
 */
import { createTarget } from '../miniprogram/http.ts'
import {
  type Auth,
  AuthError,
  type AuthOptions,
  createAuth,
  type MiniProgramApi,
  type User,
} from '../miniprogram/miniprogram.ts'
import { type Browser, createBrowserHost } from './host.ts'

export type * from '../miniprogram/wire.ts'
export { AuthError, type User }

export type WebAuthOptions = Pick<AuthOptions, 'baseURL' | 'audiences' | 'device' | 'timeoutMs' | 'clock'> & {
  /** The client of this page: its id in CLIENTS, or the appid of a WeChat OAuth app. A ticket for another one is refused. Left out: any. */
  appid?: string
  /** Keeps the tokens for this tab, so that a reload stays logged in: in sessionStorage, which every script of the page can read. */
  remember?: boolean
  /** For tests. */
  browser?: Browser
}

/** WeChat OAuth; `redirectUri` must be in the `redirects` of the app, and is this page by default. */
export type StartOptions = { appid?: string; redirectUri?: string; scope?: 'snsapi_base' | 'snsapi_userinfo' }

export type WebAuth = Pick<Auth, 'request' | 'logout' | 'user' | 'onChange' | 'token' | 'ticket'> & {
  /**
   * Who is logged in: by the ticket that this page was opened with, or from before. null: nobody, so send the person to log in.
   * Rejects with AuthError: `access_denied` when the person said no at WeChat, A0322 in its browse-only mode, A0223 for a spent ticket.
   */
  ready: Promise<User | null>
  /** Logs in with a ticket that came another way than the address. */
  login(ticket: string): Promise<User>
  /** As the browser's own, with a token, to the gateway and the `audiences` alone; a token that is refused is renewed once. */
  fetch(url: string, init?: RequestInit): Promise<Response>
  /** Leaves this page for WeChat's. */
  start(options?: StartOptions): void
}

/** Takes `ticket` and `error` out of the fragment, and the fragment out of the address bar and the history, before anything else. */
function takeFragment({ location, history }: Browser): { ticket: string | null; error: string | null } {
  const members = new URLSearchParams(location.hash.slice(1))
  const [ticket, error] = [members.get('ticket'), members.get('error')]
  if (ticket !== null || error !== null) history.replaceState(history.state, '', location.pathname + location.search)
  return { ticket, error }
}

/** Call it first of all scripts of the page: until then the ticket stands in the address. */
export function createWebAuth(options: WebAuthOptions): WebAuth {
  const { appid, remember = false, browser = globalThis as unknown as Browser, device = '' } = options
  const baseURL = options.baseURL.replace(/\/+$/, '')
  const { ticket, error } = takeFragment(browser)
  const host = createBrowserHost(browser, { name: `auth:${baseURL}:${appid ?? ''}`, remember })
  const target = createTarget(baseURL, options.audiences ?? [])
  // Nobody is logged in silently here: without a ticket there is nothing to log in with.
  const login: MiniProgramApi['login'] = () => {
    throw new AuthError('LOGGED_OUT', '请先登录')
  }
  const auth = createAuth({ ...options, device, api: { ...host, login } })

  const redeem = (given: string) => auth.login({ ticket: given })

  async function begin(): Promise<User | null> {
    if (error !== null) throw new AuthError(error, error === 'access_denied' ? '已取消登录' : '登录失败')
    return ticket === null ? auth.user() : await redeem(ticket)
  }

  const { request, logout, user, onChange, token } = auth
  const ready = begin()
  // Whoever asks is told; that nobody asks is no unhandled rejection.
  ready.catch(() => undefined)
  return {
    ...{ ready, login: redeem, request, logout, user, onChange, token, ticket: auth.ticket },

    async fetch(url, init = {}) {
      const where = target(url)
      const send = async (bearer: string) => {
        const headers = new Headers(init.headers)
        headers.set('Authorization', `Bearer ${bearer}`)
        return (await browser.fetch(where, { credentials: 'omit', ...init, headers })) as unknown as Response
      }
      const first = await token()
      const reply = await send(first)
      // RFC 6750 section 3.1; a body that can be read once cannot be sent again.
      const refused =
        reply.status === 401 && /invalid_token/.test(reply.headers.get('www-authenticate') ?? 'invalid_token')
      return refused && !(init.body instanceof ReadableStream) ? await send(await token(first)) : reply
    },

    start({ appid: app = appid ?? '', redirectUri, scope } = {}) {
      const { href } = browser.location
      const query = new URLSearchParams({
        redirect_uri: redirectUri ?? href.split('#', 1)[0] ?? href,
        ...(scope && { scope }),
      })
      browser.location.assign(`${baseURL}/oauth/${app}/start?${query}`)
    },
  }
}
