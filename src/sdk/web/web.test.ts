/** The browser SDK in a small browser over real HTTP: tickets, reloads, tabs, and where a token may go. The real one is in the browser project. */
import type { Server } from 'node:http'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { listen, startGateway } from '../../dev/testing/miniprogram.ts'
import type { Browser } from './host.ts'
import { AuthError, createWebAuth, type WebAuthOptions } from './web.ts'

let servers: Server[]
let gateway: Awaited<ReturnType<typeof startGateway>>
beforeEach(async () => {
  servers = []
  gateway = await startGateway(servers)
})
afterEach(() => {
  for (const server of servers) server.closeAllConnections()
  return Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
})

type Tab = Browser & { went: string[]; disk: Map<string, string> }

/** A tab at an address; a duplicated one starts with a copy of another's storage. */
function openTab(fragment = '', disk = new Map<string, string>()): Tab {
  const went: string[] = []
  const location = {
    ...{ href: `https://www.example.com/page?a=b${fragment}`, hash: fragment, pathname: '/page', search: '?a=b' },
    assign: (url: string) => void went.push(url),
  }
  return {
    went,
    disk,
    location,
    history: {
      state: { page: 1 },
      replaceState(state, _, url) {
        expect(state).toEqual({ page: 1 })
        went.push(`replaced by ${url}`)
      },
    },
    fetch: (url, init) => fetch(url, init),
    sessionStorage: {
      getItem: (key) => disk.get(key) ?? null,
      setItem: (key, value) => void disk.set(key, value),
      removeItem: (key) => void disk.delete(key),
    },
    navigator,
    BroadcastChannel: BroadcastChannel as unknown as NonNullable<Browser['BroadcastChannel']>,
  }
}

const authIn = (browser: Tab, more: Partial<WebAuthOptions> = {}) =>
  createWebAuth({ baseURL: gateway.url, appid: `h5-${gateway.url}`, browser, ...more })
const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  )
const ordersOf = (token: string | undefined) => token?.split('-').slice(0, 2).join('-')

test('a ticket is out of the address bar before it is redeemed, and logs in', async () => {
  const tab = openTab('#ticket=t1.abc')
  const auth = authIn(tab)
  expect([tab.went, gateway.seen]).toEqual([['replaced by /page?a=b'], []])
  expect(await auth.ready).toMatchObject({ user_id: 'u-1' })
  expect(gateway.to('/api/login')[0]?.json).toMatchObject({ ticket: 't1.abc', appid: `h5-${gateway.url}` })
  expect(await auth.request<{ path: string }>({ url: '/api/user' })).toMatchObject({ path: '/api/user' })
})

test('another fragment is the page’s own and stays', async () => {
  const tab = openTab('#/route?x=1')
  expect(await authIn(tab).ready).toBeNull()
  expect(tab.went).toEqual([])
})

test('an error in the fragment is told by its code, and is out of the address bar', async () => {
  for (const code of ['access_denied', 'A0322']) {
    const tab = openTab(`#error=${code}`)
    const error = await failure(authIn(tab).ready)
    expect([error instanceof AuthError, (error as AuthError).code, tab.went]).toEqual([
      true,
      code,
      ['replaced by /page?a=b'],
    ])
  }
  expect(gateway.seen).toEqual([])
})

test('with nobody logged in requests reject with LOGGED_OUT and send nothing', async () => {
  const auth = authIn(openTab())
  expect(await auth.ready).toBeNull()
  for (const promise of [auth.request({ url: '/api/user' }), auth.fetch('/api/user'), auth.token()])
    expect(await failure(promise)).toMatchObject({ code: 'LOGGED_OUT' })
  expect(gateway.seen).toEqual([])
})

test('a session that has ended makes nobody of the user, who may log in again', async () => {
  const auth = authIn(openTab('#ticket=t1.first'))
  await auth.ready
  const heard: unknown[] = []
  auth.onChange((user) => heard.push(user))
  gateway.endSessions()
  expect(await failure(auth.request({ url: '/api/user' }))).toMatchObject({ code: 'LOGGED_OUT' })
  await expect.poll(() => heard).toEqual([null])
  expect(auth.user()).toBeNull()
  expect(await auth.login('t1.second')).toMatchObject({ user_id: 'u-1' })
})

test('remember: a reload stays logged in; without it the tokens are nowhere but in memory', async () => {
  const tab = openTab('#ticket=t1.kept')
  await authIn(tab, { remember: true }).ready
  expect(await authIn(openTab('', tab.disk), { remember: true }).ready).toMatchObject({ user_id: 'u-1' })
  const other = openTab('#ticket=t1.memory')
  await authIn(other).ready
  expect(other.disk.size).toBe(0)
})

test('duplicated tabs renew once between them, and none of them replays a refresh token', async () => {
  const tab = openTab('#ticket=t1.tabs')
  const first = authIn(tab, { remember: true })
  await first.ready
  const tabs = [first, ...[1, 2, 3].map(() => authIn(openTab('', new Map(tab.disk)), { remember: true }))]
  for (let round = 0; round < 4; round += 1) {
    gateway.expireAccessTokens()
    const turn = tabs.map((_, n) => tabs[(n + round) % tabs.length])
    for (const auth of turn) {
      await auth?.request({ url: '/orders' })
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
  expect(gateway.to('/api/refresh')).toHaveLength(4)
  gateway.expireAccessTokens()
  const answers = await Promise.all(tabs.map((auth) => auth.request<{ token: string }>({ url: '/orders' })))
  expect(new Set(answers.map(({ token }) => ordersOf(token)))).toEqual(new Set(['access-s1']))
})

test('fetch sends the token to the gateway and the audiences alone, and renews one that is refused, once', async () => {
  let seen: string | undefined
  const orders = await listen(servers, (request, response) => {
    seen = request.headers.authorization
    response.writeHead(200).end('[]')
  })
  const auth = authIn(openTab('#ticket=t1.fetch'), { audiences: [orders] })
  await auth.ready
  expect(await (await auth.fetch(`${orders}/orders`)).json()).toEqual([])
  expect(seen).toMatch(/^Bearer access-s1/)
  for (const url of ['https://evil.example/', `${orders}.evil.example/`, '//evil.example/'])
    expect(await failure(auth.fetch(url))).toMatchObject({ code: 'FOREIGN_URL' })
  gateway.expireAccessTokens()
  expect((await auth.fetch('/orders', { method: 'POST', body: '{}' })).status).toBe(200)
  expect(gateway.to('/api/refresh')).toHaveLength(1)
})

test('logout ends the session and is remembered', async () => {
  const tab = openTab('#ticket=t1.leaving')
  const auth = authIn(tab, { remember: true })
  await auth.ready
  await auth.logout()
  expect(gateway.to('/api/logout')).toHaveLength(1)
  expect(await authIn(openTab('', tab.disk), { remember: true }).ready).toBeNull()
})

test('start leaves for WeChat by the gateway, to come back to this page', () => {
  const tab = openTab('#/route')
  authIn(tab).start({ appid: 'wxpage', scope: 'snsapi_base' })
  const url = new URL(tab.went[0] ?? '')
  expect([url.origin + url.pathname, Object.fromEntries(url.searchParams)]).toEqual([
    `${gateway.url}/oauth/wxpage/start`,
    { redirect_uri: 'https://www.example.com/page?a=b', scope: 'snsapi_base' },
  ])
})
