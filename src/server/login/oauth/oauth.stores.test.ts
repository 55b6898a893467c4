/** WeChat OAuth in a browser: start, WeChat's page and the way back, through HTTP on two replicas. */
import { decodeJwt } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createAwayCache } from '../../../dev/testing/away-cache.ts'
import { APP_SECRET, APPID, startTestGateway, type TestGateway } from '../../../dev/testing/test-gateway.ts'
import { testClock } from '../../clock.ts'

const PAGE = 'wxpage000000000001'
const WEB = 'wxweb0000000000001'
const HOME = 'https://www.example.com/login'
const OFFICE = 'https://office.example.com/?from=wechat'
const clock = testClock(new Date())

let gateway: TestGateway
let other: TestGateway
const replicas: TestGateway[] = []
beforeAll(async () => {
  const secret = APP_SECRET
  gateway = await startTestGateway({
    clock,
    apps: [
      { appid: APPID, secret, openPlatform: 'acme' },
      { appid: PAGE, secret, openPlatform: 'acme', kind: 'page' },
      { appid: WEB, secret, openPlatform: 'acme', kind: 'web' },
    ],
    environment: {
      APPS: JSON.stringify([
        { appid: APPID, secret, union: 'acme' },
        { platform: 'wechat-page', appid: PAGE, secret, union: 'acme', redirects: [HOME, OFFICE] },
        { platform: 'wechat-web', appid: WEB, secret, union: 'acme', redirects: [OFFICE] },
      ]),
    },
  })
  other = await gateway.replica()
})
afterAll(async () => {
  for (const replica of [...replicas, other]) await replica.close()
  await gateway.close()
})

type Started = { status: number; to: URL; state: string; cookie: string; setCookie: string; text: string }

async function start(appid: string, redirectUri: string, { on = gateway, scope = '' } = {}): Promise<Started> {
  const query = new URLSearchParams({ redirect_uri: redirectUri, ...(scope ? { scope } : {}) })
  const reply = await on.publicApp.request(`/oauth/${appid}/start?${query}`, { headers: { 'accept-language': 'en' } })
  const to = new URL(reply.headers.get('location') ?? 'about:blank')
  const setCookie = reply.headers.get('set-cookie') ?? ''
  const cookie = setCookie.split(';')[0] ?? ''
  return {
    status: reply.status,
    to,
    state: to.searchParams.get('state') ?? '',
    cookie,
    setCookie,
    text: await reply.text(),
  }
}

/** The person answers on WeChat's page, which sends the browser back. */
async function answer({ to }: Started, person: string, how = 'yes'): Promise<string> {
  const reply = await gateway.simulator.app.request(
    `${to.pathname}${to.search}&${new URLSearchParams({ person, answer: how })}`,
  )
  const back = new URL(reply.headers.get('location') ?? '')
  expect(`${back.origin}${back.pathname}`).toMatch(/^https:\/\/auth\.example\.com\/oauth\/\w+\/callback$/)
  return back.pathname + back.search
}

async function comeBack(path: string, cookie: string, on = gateway) {
  const reply = await on.publicApp.request(path, { headers: { cookie, 'accept-language': 'en' } })
  const location = reply.headers.get('location')
  const [home, fragment = ''] = (location ?? '').split('#')
  return {
    status: reply.status,
    headers: reply.headers,
    location,
    home,
    found: new URLSearchParams(fragment),
    text: await reply.text(),
  }
}

const count = async (table: 'users' | 'sessions' | 'platform_identities'): Promise<number> =>
  Number(
    (
      await gateway.stores.database.run<{ n: number }>(
        { name: `count_${table}`, text: `select count(*)::int as n from ${table}` },
        [],
      )
    )[0]?.n,
  )
const everything = async () => [await count('users'), await count('sessions'), await count('platform_identities')]

describe('a browser', () => {
  test.each([
    [PAGE, HOME, '/connect/oauth2/authorize', 'snsapi_userinfo'],
    [WEB, OFFICE, '/connect/qrconnect', 'snsapi_login'],
  ])(
    'of %s ends at its page with a ticket, which logs the mini program’s person in once',
    async (appid, home, path, scope) => {
      const known = (await gateway.login(`browsing ${appid}`, { appid: APPID })).body.data
      const started = await start(appid, home)
      expect([started.status, started.to.origin + started.to.pathname, started.to.hash]).toEqual([
        302,
        `https://open.weixin.qq.com${path}`,
        '#wechat_redirect',
      ])
      expect(started.to.searchParams.get('scope')).toBe(scope)
      const before = await everything()
      const {
        status,
        headers,
        home: at,
        found,
      } = await comeBack(await answer(started, `browsing ${appid}`), started.cookie, other)
      expect([status, at, [...found.keys()]]).toEqual([302, home, ['ticket']])
      expect([headers.get('cache-control'), headers.get('referrer-policy')]).toEqual(['no-store', 'no-referrer'])
      expect(headers.get('set-cookie')).toMatch(/Max-Age=0/)
      expect(await everything()).toEqual(before)
      const ticket = found.get('ticket')
      const replies = await Promise.all(
        [gateway, other, gateway].map((on) => on.post('/api/login', { ticket, device: 'Firefox' })),
      )
      const [granted, ...rest] = replies.filter(({ status }) => status === 200)
      expect(rest).toEqual([])
      expect(granted?.body.data.user_id).toBe(known.user_id)
      expect(decodeJwt(granted?.body.data.token)).toMatchObject({ client_id: appid })
      const list = (await gateway.call('GET', '/api/sessions', { token: granted?.body.data.token })).body.data
      expect(list).toContainEqual(expect.objectContaining({ client_id: appid, device: 'Firefox', parent_sid: null }))
    },
  )

  test('of a silent page asks nobody', async () => {
    const { to } = await start(PAGE, HOME, { scope: 'snsapi_base' })
    expect(to.searchParams.get('scope')).toBe('snsapi_base')
  })

  test('gets a cookie that scripts cannot read, no other host can plant and that is of this browser alone', async () => {
    const { setCookie } = await start(PAGE, HOME)
    expect(setCookie).toMatch(
      /^__Host-oauth-[0-7]=v2\.[\w-]+\.[\w-]+; Max-Age=600; Path=\/; HttpOnly; Secure; SameSite=Lax$/,
    )
  })

  test('with several logins under way finishes each of them', async () => {
    const all = await Promise.all(['one', 'two', 'three'].map(() => start(PAGE, HOME)))
    const distinct = [...new Map(all.map((started) => [started.cookie.split('=')[0], started])).values()]
    const jar = distinct.map(({ cookie }) => cookie).join('; ')
    for (const started of distinct)
      expect([...(await comeBack(await answer(started, 'many tabs'), jar)).found.keys()]).toEqual(['ticket'])
  })
})

describe('refused on a page, with nothing set and nothing stored:', () => {
  test.each([
    'https://evil.example/',
    `${HOME}/`,
    `${HOME}?a=b`,
    'https://www.example.com',
    '//www.example.com/login',
    'javascript:alert(1)',
  ])('a redirect_uri that is not listed (%s)', async (redirectUri) => {
    const { status, setCookie, text, to } = await start(PAGE, redirectUri)
    expect([status, setCookie, to.href]).toEqual([400, '', 'about:blank'])
    expect(text).toContain('redirect_uri is not in the configuration')
  })

  test('the redirect_uri of another app, an app that is no browser’s, none at all', async () => {
    expect((await start(WEB, HOME)).status).toBe(400)
    for (const appid of [APPID, 'wxnobody', 'a'.repeat(65)])
      expect((await start(appid, HOME)).status).toBeGreaterThanOrEqual(400)
    const missing = await gateway.publicApp.request(`/oauth/${PAGE}/start`, { headers: { 'accept-language': 'en' } })
    expect([missing.status, await missing.text()]).toEqual([400, expect.stringContaining('redirect_uri: is required')])
  })

  test('a state of another browser, of another app, made up, forged, old or used', async () => {
    const before = await everything()
    const mine = await start(PAGE, HOME)
    const theirs = await start(PAGE, HOME)
    const path = await answer(mine, 'careful')
    const refused = async (to: string, cookie: string) => {
      const { status, location, text } = await comeBack(to, cookie)
      expect([status, location]).toEqual([400, null])
      expect(text).toContain('not started in this browser')
    }
    await refused(path, '')
    const [name] = mine.cookie.split('=')
    await refused(path, `${name}=${theirs.cookie.split('=')[1]}`)
    await refused(path, `${mine.cookie.slice(0, -1)}${mine.cookie.endsWith('A') ? 'B' : 'A'}`)
    await refused(path.replace(PAGE, WEB), mine.cookie)
    await refused(path.replace(mine.state, `${mine.state[0]}AAAAAAAAAAAAAAAAAAAAAA`), mine.cookie)
    clock.advance(601)
    await refused(path, mine.cookie)
    expect(await everything()).toEqual(before)
    const fresh = await start(PAGE, HOME)
    const back = await answer(fresh, 'careful')
    const all = await Promise.all([gateway, other, gateway, other].map((on) => comeBack(back, fresh.cookie, on)))
    expect(all.filter(({ found }) => found.has('ticket'))).toHaveLength(1)
    for (const { found, home } of all)
      if (!found.has('ticket')) expect([home, found.get('error')]).toEqual([HOME, 'A0400'])
  })

  test('markup in what came from outside', async () => {
    const reply = await gateway.publicApp.request(`/oauth/${PAGE}/callback?state=${'<script>x</script>'.repeat(9)}`)
    expect([reply.status, await reply.text()]).toEqual([400, expect.not.stringContaining('<script')])
    expect(reply.headers.get('content-security-policy')).toContain("default-src 'none'")
  })
})

describe('told to the page in the fragment, with nothing stored:', () => {
  test.each([
    ['a person who says no', 'no', 'access_denied'],
    ['a snapshot user', 'snapshot', 'A0322'],
  ])('%s', async (_, how, error) => {
    const before = await everything()
    const started = await start(PAGE, OFFICE)
    const { status, home, found } = await comeBack(await answer(started, 'undecided', how), started.cookie)
    expect([status, home, found.toString()]).toEqual([302, OFFICE, `error=${error}`])
    expect(await everything()).toEqual(before)
  })

  test('a code that WeChat refuses, and WeChat being away', async () => {
    for (const [fault, error] of [
      [{ errcode: 40029 }, 'A0223'],
      [{ httpStatus: 502 }, 'C0001'],
    ] as const) {
      const started = await start(WEB, OFFICE)
      gateway.simulator.fail({ path: '/sns/oauth2/access_token', times: 1, ...fault })
      const { found } = await comeBack(await answer(started, 'unlucky'), started.cookie)
      expect(found.get('error')).toBe(error)
    }
    const refusals = await gateway.stores.database.run<{ detail: { reason: string } }>(
      { name: 'refusals_of_web', text: "select detail from audit_events where kind = 'login_refused' and appid = $1" },
      [WEB],
    )
    await expect
      .poll(() => gateway.metrics.registry.metrics())
      .toMatch(/platform="wechat-web"[^}]*outcome="platform_40029"/)
    expect(refusals.every(({ detail }) => detail.reason.startsWith('platform_'))).toBe(true)
  })

  test('the cache being away: no ticket can be kept, and the page is told so', async () => {
    const started = await start(PAGE, HOME)
    const path = await answer(started, 'cacheless')
    const broken = await startTestGateway({
      clock,
      stores: { ...gateway.stores, cache: createAwayCache(), close: async () => undefined },
      simulator: gateway.simulator,
      environment: gateway.environment,
    })
    replicas.push(broken)
    const { found, status } = await comeBack(path, started.cookie, broken)
    expect([status, found.get('error')]).toEqual([302, 'B0320'])
  })
})

test('a suspended person’s ticket opens nothing', async () => {
  const known = (await gateway.login('barred', { appid: APPID })).body.data
  const started = await start(PAGE, HOME)
  const { found } = await comeBack(await answer(started, 'barred'), started.cookie)
  await gateway.stores.database.run({ name: 'bar', text: "update users set status = 'suspended' where id = $1" }, [
    known.user_id,
  ])
  expect((await other.post('/api/login', { ticket: found.get('ticket') })).body.code).toBe('A0202')
})

test('the log holds neither code, state, cookie nor ticket, and the description names both paths', async () => {
  const started = await start(PAGE, HOME)
  const path = await answer(started, 'quiet')
  const { found } = await comeBack(path, started.cookie)
  const code = new URLSearchParams(path.split('?')[1]).get('code') ?? ''
  const logs = gateway.logs() + other.logs()
  for (const text of [code, started.state, started.cookie.split('=')[1] ?? '', found.get('ticket') ?? '']) {
    expect(text.length).toBeGreaterThan(10)
    expect(logs).not.toContain(text)
  }
  const api = (await (await gateway.internalApp.request('/openapi.json')).json()) as { paths: object }
  expect(api.paths).toMatchObject({ '/oauth/{appid}/start': {}, '/oauth/{appid}/callback': {} })
  const plain = await gateway.replica({ APPS: JSON.stringify([{ appid: APPID, secret: APP_SECRET }]) })
  replicas.push(plain)
  expect((await plain.publicApp.request(`/oauth/${PAGE}/start?redirect_uri=${HOME}`)).status).toBe(404)
})
