/** Web pages in a real Chromium: tickets and WeChat OAuth with the browser SDK, CORS, and the device flow. */
import { type Browser, chromium, type Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, inject, test } from 'vitest'
import { type Listener, listen } from '../../server/serve/listeners.ts'
import { freePort } from '../services/service.ts'
import { createWechatSimulator } from '../simulator/wechat.ts'
import { bundleWebSdk } from '../tools/build-miniprogram.ts'
import { APP_SECRET, APPID, startTestGateway, type TestGateway } from './test-gateway.ts'

const PAGE = 'wxpage000000000001'
const WEB = 'wxweb0000000000001'
const HOST = '127.0.0.1'

let gateway: TestGateway
let listeners: Listener[]
let browser: Browser
let pages: Page[] = []
let home: string
let stranger: string
let internal: string

const pageText = (issuer: string) => `<!doctype html><meta charset="utf-8"><title>page</title><script type="module">
import { createWebAuth } from '/web-sdk.js'
const query = new URLSearchParams(location.search)
window.auth = createWebAuth({ baseURL: '${issuer}', remember: true })
window.told = await auth.ready.then((user) => user?.user_id ?? 'nobody', (error) => error.code)
document.title = 'ready'
</script>`

beforeAll(async () => {
  const [port, simulatorPort, pagePort, otherPort] = [
    await freePort(),
    await freePort(),
    await freePort(),
    await freePort(),
  ]
  const issuer = `http://${HOST}:${port}`
  home = `http://localhost:${pagePort}/`
  stranger = `http://localhost:${otherPort}/`
  const secret = APP_SECRET
  const apps = [
    { appid: APPID, secret, openPlatform: 'acme' },
    { appid: PAGE, secret, openPlatform: 'acme', kind: 'page' as const },
    { appid: WEB, secret, openPlatform: 'acme', kind: 'web' as const },
  ]
  const simulator = createWechatSimulator({ apps })
  gateway = await startTestGateway({
    simulator,
    environment: {
      ISSUER: issuer,
      WECHAT_OPEN_BASE: `http://${HOST}:${simulatorPort}`,
      WEB_ORIGINS: new URL(home).origin,
      CLIENTS: '[{"id":"h5","name":"H5","kind":"web"},{"id":"pc","name":"PC","kind":"device"}]',
      APPS: JSON.stringify([
        { appid: APPID, secret, union: 'acme' },
        { platform: 'wechat-page', appid: PAGE, secret, union: 'acme', redirects: [home] },
        { platform: 'wechat-web', appid: WEB, secret, union: 'acme', redirects: [home] },
      ]),
    },
  })
  const sdk = await bundleWebSdk()
  const site = {
    fetch(request: Request) {
      const script = new URL(request.url).pathname === '/web-sdk.js'
      return new Response(script ? sdk : pageText(issuer), {
        headers: { 'content-type': script ? 'text/javascript' : 'text/html' },
      })
    },
  }
  const internalPort = await freePort()
  internal = `http://${HOST}:${internalPort}`
  listeners = await Promise.all([
    listen(gateway.publicApp, { host: HOST, port }),
    listen(gateway.internalApp, { host: HOST, port: internalPort }),
    listen(simulator.app, { host: HOST, port: simulatorPort }),
    listen(site, { host: 'localhost', port: pagePort }),
    listen(site, { host: 'localhost', port: otherPort }),
  ])
  browser = await chromium.launch({ executablePath: inject('chromium'), args: ['--no-sandbox', '--disable-gpu'] })
})
afterAll(async () => {
  await browser?.close()
  for (const listener of listeners) await listener.close(500)
  await gateway.close()
})
afterEach(async () => {
  for (const page of pages) await page.context().close()
  pages = []
})

async function open(url: string): Promise<Page> {
  const page = await (await browser.newContext({ locale: 'zh-CN' })).newPage()
  page.setDefaultTimeout(10_000)
  pages.push(page)
  await page.goto(url)
  return page
}
const ready = (page: Page) => page.waitForFunction("document.title === 'ready'")
async function told(page: Page): Promise<string> {
  await ready(page)
  return await page.evaluate<string>('window.told')
}
async function ticketOf(person: string): Promise<{ ticket: string; user_id: string }> {
  const { token, user_id } = (await gateway.login(person, { appid: APPID })).body.data
  const { body } = await gateway.call('POST', '/api/tickets', { body: { appid: 'h5' }, token })
  return { ticket: body.data.ticket, user_id }
}

describe('a page of another origin', () => {
  test('logs in with the ticket it is opened with, which is out of the address bar, and stays logged in over a reload', async () => {
    const { ticket, user_id } = await ticketOf('h5 visitor')
    const page = await open(`${home}?a=b#ticket=${ticket}`)
    expect(await told(page)).toBe(user_id)
    expect(page.url()).toBe(`${home}?a=b`)
    await page.reload()
    expect(await told(page)).toBe(user_id)
    const profile = await page.evaluate<{ user_id: string }>("window.auth.request({ url: '/api/user' })")
    expect(profile.user_id).toBe(user_id)
    expect(await page.evaluate<number>("window.auth.fetch('/api/user').then((reply) => reply.status)")).toBe(200)
    await page.evaluate('window.auth.logout()')
    await page.reload()
    expect(await told(page)).toBe('nobody')
  })

  test('that is not configured reads nothing and leaves the ticket good', async () => {
    const { ticket, user_id } = await ticketOf('lured')
    const page = await open(`${stranger}#ticket=${ticket}`)
    expect(await told(page)).toBe('NETWORK')
    const friend = await open(`${home}#ticket=${ticket}`)
    expect(await told(friend)).toBe(user_id)
  })

  test('gets no answer from the internal listener, whoever it is', async () => {
    const page = await open(home)
    await ready(page)
    for (const path of ['/verify', '/livez', '/oauth2/introspect', '/admin/users']) {
      const call = `fetch('${internal}${path}', { headers: { authorization: 'Bearer x' } }).then(() => 'read', () => 'refused')`
      expect([path, await page.evaluate<string>(call)]).toEqual([path, 'refused'])
    }
  })
})

describe('WeChat OAuth', () => {
  const start = (page: Page, appid: string, more = '') =>
    page.evaluate(`window.auth.start({ appid: '${appid}', redirectUri: '${home}'${more} })`)

  async function answer(page: Page, person: string, how: 'yes' | 'no' | 'snapshot') {
    await page.waitForURL(/\/connect\//)
    await page.fill('input[name=person]', person)
    await page.click(`button[value=${how}]`)
    await page.waitForURL((url) => url.href.startsWith(home))
  }

  test.each([
    ['a page in WeChat', PAGE],
    ['a QR code on a web page', WEB],
  ])('by %s ends on the page, logged in as the mini program’s person', async (_, appid) => {
    const known = (await gateway.login(`person of ${appid}`, { appid: APPID })).body.data
    const page = await open(home)
    expect(await told(page)).toBe('nobody')
    await start(page, appid)
    await answer(page, `person of ${appid}`, 'yes')
    expect(await told(page)).toBe(known.user_id)
    expect(page.url()).toBe(home)
    expect(await page.context().cookies()).toEqual([])
  })

  test('by a silent page asks nobody', async () => {
    const page = await open(home)
    await ready(page)
    await start(page, PAGE, ", scope: 'snsapi_base'")
    await page.waitForURL((url) => url.href === home)
    await page.waitForFunction("document.title === 'ready'")
    expect(await told(page)).toMatch(/^[0-9a-f-]{36}$/)
  })

  test.each([
    ['a person who says no', 'no', 'access_denied'],
    ['a snapshot user', 'snapshot', 'A0322'],
  ] as const)('tells the page of %s', async (_, how, code) => {
    const page = await open(home)
    await ready(page)
    await start(page, PAGE)
    await answer(page, 'hesitant', how)
    expect([await told(page), page.url()]).toEqual([code, home])
  })

  test('the way back opened in another browser shows a page of the gateway and logs nobody in', async () => {
    const page = await open(home)
    await ready(page)
    await start(page, PAGE)
    await page.waitForURL(/\/connect\//)
    const { searchParams } = new URL(page.url())
    const victim = await open(`${searchParams.get('redirect_uri')}?state=${searchParams.get('state')}&code=stolen`)
    expect(await victim.textContent('h1')).toBe('400 A0400')
    expect(await victim.textContent('main')).toContain('请返回原来的页面重新登录')
  })
})
