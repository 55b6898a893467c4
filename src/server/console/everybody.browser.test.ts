/** The console for everybody: axe on every page in both languages, both themes and 390 px; the keyboard alone; sign-in by OIDC. */
import type { Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { freePort } from '../../dev/services/service.ts'
import { windows } from '../../dev/testing/browser.ts'
import { type ConsoleVisit, consoleShot, findingsOf, startConsole } from '../../dev/testing/console-site.ts'
import { BOSS, READER } from '../../dev/testing/console-tokens.ts'
import { oidcEnvironment, startOidcProvider } from '../../dev/testing/oidc-provider.ts'

let site: Awaited<ReturnType<typeof startConsole>>
let provider: Awaited<ReturnType<typeof startOidcProvider>>
let active = ''
let suspended = ''
let kid = ''
const visits: ConsoleVisit[] = []

beforeAll(async () => {
  provider = await startOidcProvider()
  provider.state.person = { sub: 'u-1', realm_access: { roles: ['auth-gateway-admin'] } }
  const port = await freePort()
  const oidc = oidcEnvironment(provider.issuer, `http://localhost:${port}`)
  const environment = { ...oidc, EVENT_TARGETS: JSON.stringify([{ id: 'orders', audience: 'orders' }]) }
  site = await startConsole({ environment }, port)
  const operate = (method: string, path: string, body?: unknown) =>
    site.gateway.internal(method, `/admin/${path}`, { token: BOSS, ...(body === undefined ? {} : { body }) })
  const login = async (person: string, nickName: string, device: string) =>
    (await site.gateway.login(person, { userinfo: { nickName }, device })).body.data.user_id
  active = await login('lin', '林小满', 'iPhone 15 · 微信 8.0.49')
  await login('lin', '林小满', 'Windows 微信 3.9')
  await operate('PUT', `users/${active}/roles`, { roles: ['editor', 'vip'] })
  await operate('PUT', `users/${active}/claims`, { claims: { tier: 'gold', shop: 4711 } })
  await operate('PUT', `users/${active}/external-id`, { external_id: 'crm-20931' })
  suspended = await login('zhou', '一个名字非常非常非常长的用户用来检验窄屏幕上的换行是否正常', 'Redmi Note 13')
  await operate('POST', `users/${suspended}/suspend`, { reason: '刷单，见工单 4711；客服已电话告知用户，七天后复核。' })
  const erased = await login('gone', '已经离开', 'iPad')
  await operate('DELETE', `users/${erased}`)
  const { data } = (await operate('POST', 'keys/rotate', {})).body
  kid = data.keys.find((key: { state: string }) => key.state === 'pending').kid
})
afterAll(async () => {
  await site?.stop()
  await provider?.close()
})
afterEach(async () => {
  for (const visit of visits.splice(0)) await visit.close()
})

const places = (): [name: string, path: string][] => [
  ['users', ''],
  ['nobody', '?by=nickname&q=nobody'],
  ['wrong-word', '?by=id&q=x'],
  ['user', `/users/${active}`],
  ['suspended', `/users/${suspended}`],
  ['erase', `/users/${active}/erase`],
  ['audit', '/audit'],
  ['audit-wrong', '/audit?ip=x&user_id=y'],
  ['keys', '/keys'],
  ['retire', `/keys/${kid}/retire`],
  ['deliveries', '/deliveries'],
  ['health', '/health'],
  ['missing', '/nowhere'],
]

async function visit(options: Parameters<typeof site.visit>[0], allowed?: readonly string[]): Promise<Page> {
  const made = await site.visit(options, allowed)
  visits.push(made)
  return made.page
}

test.each(['zh-CN', 'en-GB'])(
  'every page in %s has no finding of axe and does not scroll sideways, light and dark, wide and narrow',
  async (locale) => {
    const page = await visit({ locale, javaScriptEnabled: true })
    const found: string[] = []
    const check = async (name: string) => {
      for (const summary of await page.locator('details > summary').all()) await summary.click()
      for await (const { colorScheme, width } of windows(page)) {
        const where = `${name}-${locale.slice(0, 2)}-${colorScheme}-${width}`
        found.push(...(await findingsOf(page)).map((finding) => `${where}: ${finding}`))
        const wide = Number(await page.evaluate('document.documentElement.scrollWidth'))
        if (wide > width) found.push(`${where}: ${wide} px wide`)
        await consoleShot(page, where)
      }
      expect(found).toEqual([])
    }
    await page.goto(`${site.origin}/console/keys`)
    await check('sign-in')
    await site.signIn(page, 'wrong-token-0123456789-0123456789-0123')
    await check('sign-in-wrong')
    await site.signIn(page)
    for (const [name, path] of places()) {
      await page.goto(`${site.origin}/console${path}`)
      await check(name)
    }
  },
  180_000,
)

test('a reader’s pages have no finding either', async () => {
  const page = await visit({ javaScriptEnabled: true })
  await site.signIn(page, READER)
  for (const path of [`/users/${active}`, '/keys', `/users/${active}/erase`]) {
    await page.goto(`${site.origin}/console${path}`)
    expect([path, await findingsOf(page)]).toEqual([path, []])
  }
})

test('the keyboard alone signs in, finds a user and suspends', async () => {
  const page = await visit({ javaScriptEnabled: true })
  const focused = () => page.evaluate<string>('document.activeElement.id || document.activeElement.textContent.trim()')
  const tabTo = async (what: string) => {
    for (let step = 0; step < 60 && (await focused()) !== what; step += 1) await page.keyboard.press('Tab')
    expect(await focused()).toBe(what)
  }
  const person = (await site.gateway.login('keyboard', { userinfo: { nickName: '键盘用户' } })).body.data.user_id
  await page.goto(`${site.origin}/console`)
  await page.keyboard.press('Tab')
  expect(await focused()).toBe('跳到主要内容')
  await page.keyboard.press('Enter')
  expect(await focused()).toBe('main')
  await tabTo('token')
  await page.keyboard.type(BOSS)
  await page.keyboard.press('Enter')
  await page.locator('nav').waitFor()
  await tabTo('q')
  await page.keyboard.type('键盘')
  await page.keyboard.press('Enter')
  await page.getByRole('link', { name: '键盘用户' }).waitFor()
  await tabTo('键盘用户')
  await page.keyboard.press('Enter')
  await page.locator('#reason').waitFor()
  await tabTo('reason')
  await page.keyboard.type('只用键盘')
  await page.keyboard.press('Tab')
  await page.keyboard.press('Enter')
  await page.locator('.say', { hasText: '只用键盘' }).waitFor()
  expect((await site.gateway.internal('GET', `/admin/users/${person}`, { token: BOSS })).body.data.status).toBe(
    'suspended',
  )
})

test('the language follows the browser until it is chosen, and the choice is kept', async () => {
  const page = await visit({ locale: 'en-GB' })
  await site.signIn(page)
  await page.goto(`${site.origin}/console/audit?kind=login`)
  expect(await page.title()).toBe('Audit · Auth gateway console')
  await page.getByRole('link', { name: '中文' }).click()
  expect([await page.title(), page.url()]).toEqual(['审计 · 登录网关控制台', `${site.origin}/console/audit?kind=login`])
  await page.reload()
  expect(await page.locator('html').getAttribute('lang')).toBe('zh-CN')
})

test('a sign-in by OIDC from another site ends on the page that was asked for, signed in', async () => {
  const page = await visit({}, [provider.issuer])
  await page.goto(`${site.origin}/console/keys`)
  await page.getByRole('link', { name: '用公司账号登录' }).click()
  await page.getByRole('heading', { name: '签名密钥' }).waitFor()
  expect(page.url()).toBe(`${site.origin}/console/keys`)
  expect(await page.locator('.who').textContent()).toContain('oidc/u-1')
})
