/**
 * WeChat OAuth for browsers: to WeChat's page, back with a code, and on to a page of the configuration with a hand-off ticket in the
 * fragment, which no server sees. Loaded only where an app has `redirects`.
 */
import type { Actor } from '../../actor.ts'
import type { Clients } from '../../clients/clients.ts'
import { GatewayError } from '../../errors.ts'
import type { App, Apps } from '../../platforms/registry.ts'
import type { Admission } from '../admission.ts'
import type { ProveByCode } from '../code.ts'
import type { Proving } from '../sign-in.ts'
import type { Tickets } from '../ticket.ts'
import type { OauthStates } from './state.ts'

/** Where a browser goes next, and under which name its cookie is set or, having been used, cleared. */
export type Onward = { location: string; cookie: { name: string; value: string } }

export type Oauth = ReturnType<typeof createOauth>

export type OauthParts = {
  apps: Apps
  clients: Clients
  issuer: string
  states: OauthStates
  proveByCode: ProveByCode
  proving: Proving
  tickets: Pick<Tickets, 'issueTo'>
}

type BrowserApp = App & { redirects: string[] } & Required<Pick<App, 'authorizeUrl'>>

export const isBrowserApp = (app: App): app is BrowserApp =>
  app.redirects !== undefined && app.authorizeUrl !== undefined

const startAgain = {
  zh: '登录已超时，或不是在这个浏览器里开始的。请返回原来的页面重新登录。',
  en: 'This login is too old, was used, or was not started in this browser. Go back to the page and log in again.',
}
const notListed = {
  zh: 'redirect_uri 不在该应用的配置中。',
  en: 'redirect_uri is not in the configuration of this app.',
}

export function createOauth({ apps, clients, issuer, states, proveByCode, proving, tickets }: OauthParts) {
  function browserApp(appid: string): BrowserApp {
    const app = apps.all.filter(isBrowserApp).find((one) => one.appid === appid)
    if (!app) throw new GatewayError('A0404', { note: 'no app that a browser logs in to' })
    return app
  }

  /** In the fragment: it is sent to no server and stands in no log. */
  const inFragment = (redirectUri: string, members: Record<string, string>) =>
    `${redirectUri}#${new URLSearchParams(members)}`

  async function ticketFor(app: BrowserApp, code: string, actor: Actor, admission: Admission): Promise<string> {
    const client = clients.of(app)
    const proof = await proving({ client, device: undefined, actor }, () => proveByCode(app, { code }, admission))
    const { identity, sid, newUserId } = proof
    return await tickets.issueTo({ platform: app.platform, appid: app.appid, sid, identity, newUserId })
  }

  return {
    /** Throws A0404 for an unknown app and A0400 for an address that its configuration does not list. */
    start(appid: string, redirectUri: string, silent: boolean): Onward {
      const app = browserApp(appid)
      if (!app.redirects.includes(redirectUri))
        throw new GatewayError('A0400', { words: notListed, note: 'a redirect_uri that is not configured' })
      const { state, cookie } = states.make(app, redirectUri)
      const location = app.authorizeUrl({ redirectUri: `${issuer}/oauth/${appid}/callback`, state, silent })
      return { location, cookie: { name: states.cookieOf(state), value: cookie } }
    },

    /**
     * Whoever did not start here is refused with A0400. After that the browser goes back to its page whatever happens: with a ticket,
     * or with `error`: access_denied when the person said no, else a code of errors.ts. Nobody is stored before the ticket is redeemed.
     */
    async comeBack(
      appid: string,
      {
        state,
        code,
        cookie,
      }: { state: string; code: string | undefined; cookie: (name: string) => string | undefined },
      actor: Actor,
      admission: Admission,
    ): Promise<Onward & { failure?: unknown }> {
      const app = browserApp(appid)
      const name = states.cookieOf(state)
      const redirectUri = states.read(app, state, cookie(name))
      // The configuration may have changed since.
      if (redirectUri === undefined || !app.redirects.includes(redirectUri))
        throw new GatewayError('A0400', { words: startAgain, note: 'a state that this browser does not have' })
      const onward = (members: Record<string, string>) => ({
        location: inFragment(redirectUri, members),
        cookie: { name, value: '' },
      })
      try {
        if (!(await states.spend(state)))
          throw new GatewayError('A0400', { words: startAgain, note: 'a state that was used before' })
        if (code === undefined) return onward({ error: 'access_denied' })
        return onward({ ticket: await ticketFor(app, code, actor, admission) })
      } catch (failure) {
        return { ...onward({ error: failure instanceof GatewayError ? failure.code : 'B0001' }), failure }
      }
    },
  }
}
