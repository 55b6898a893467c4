/** The playground's services, in a real Chromium: one sells on the phone, and both answer when its owner closes the account in WeChat. */
import type { Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { createVerifier } from '../../sdk/verifier/verifier.ts'
import { calls, phoneSays, screenshot, startPlayground, type Visit } from '../testing/browser.ts'
import { picture } from '../testing/pictures.ts'

const OPERATOR = 'development-only-admin-token-0000000000'

let playground: Awaited<ReturnType<typeof startPlayground>>
const visits: Visit[] = []
beforeAll(async () => {
  playground = await startPlayground()
})
afterAll(() => playground?.stop())
afterEach(async () => {
  for (const visit of visits.splice(0)) await visit.close()
})

async function signIn(person: string, options: Parameters<typeof playground.visit>[0] = {}): Promise<Page> {
  const made = await playground.visit(options)
  visits.push(made)
  const { page } = made
  await page.selectOption('#person', person)
  await page.click('#login')
  await page.locator('#logout').waitFor()
  return page
}

async function ask(path: string, init: RequestInit & { token?: string } = {}) {
  const { token, ...rest } = init
  const headers = {
    ...(token && { authorization: `Bearer ${token}` }),
    ...(rest.body && { 'content-type': 'application/json' }),
  }
  const reply = await fetch(path.startsWith('http') ? path : playground.origin + path, { headers, ...rest })
  // biome-ignore lint/suspicious/noExplicitAny: a test reads whatever the reply holds.
  return { status: reply.status, body: (await reply.json().catch(() => undefined)) as any }
}
const newCode = async (person: string): Promise<string> =>
  (await ask('/simulator/login', { method: 'POST', body: JSON.stringify({ person }) })).body.code
/** What is in the phone's storage. */
const held = async (page: Page): Promise<{ token: string; user_id: string }> =>
  JSON.parse(await page.evaluate<string>("Object.entries(localStorage).find(([key]) => key.includes(':auth:'))[1]"))

test('the shop sells with a signature of the gateway; a stale session_key is renewed on the way, and nobody taps twice', async () => {
  const page = await signIn('alice')
  await page.click('#buy')
  await phoneSays(page, '支付成功')
  // Another program of the same account has called wx.login: WeChat has a newer session_key than the gateway.
  await newCode('alice')
  await page.click('#buy')
  await expect.poll(() => calls(page, 'phone')).toContain('POST /playground/business/pay 409 A0240')
  await phoneSays(page, '支付成功')
  // The old session is ended beside the rest.
  const told = (await calls(page, 'phone')).filter((call) => !call.includes('/api/logout'))
  expect(told.slice(-5)).toEqual([
    'POST /playground/business/pay 409 A0240',
    'wx.login 200',
    'POST /api/login 200',
    'POST /playground/business/pay 200',
    'POST /simulator/virtual-payment 200',
  ])
  await page.click('#orders')
  await phoneSays(page, '业务服务返回 3 个订单')
}, 90_000)

test('"withdraw" and "close account": every session ends at the verifier, rows, picture and both services’ data go, and the receipt counts them', async () => {
  const page = await signIn('bob')
  const phone = await held(page)
  const elsewhere = await ask('/api/login', { method: 'POST', body: JSON.stringify({ code: await newCode('bob') }) })
  const tokens: string[] = [phone.token, elsewhere.body.data.token]
  const verifier = createVerifier({ issuer: playground.origin, audience: playground.origin })
  for (const token of tokens) await verifier.verify(token)

  const form = new FormData()
  form.set(
    'file',
    new Blob([new Uint8Array(await picture({ width: 8, height: 8 }).png().toBuffer())], { type: 'image/png' }),
  )
  const authorization = `Bearer ${phone.token}`
  const uploaded = await fetch(`${playground.origin}/api/user/avatar`, {
    method: 'PUT',
    headers: { authorization },
    body: form,
  })
  const { avatar } = ((await uploaded.json()) as { data: { avatar: string } }).data
  expect((await fetch(avatar)).status).toBe(200)
  await page.click('#buy')
  await phoneSays(page, '支付成功')
  const people = async () => (await ask('/playground/services')).body.map((one: { people: number }) => one.people)
  const [orders, points] = await people()

  await page.click('#give-phone')
  await phoneSays(page, '网关保存了手机号')
  await page.click('#withdraw-phone')
  await phoneSays(page, '网关删除了手机号')
  const admin = () => ask(`${playground.internal}/admin/users/${phone.user_id}`, { token: OPERATOR })
  expect((await admin()).body.data).toMatchObject({ phone: null, avatar })

  await page.getByRole('switch', { name: '积分服务停机' }).check()
  await page.click('#close-account')
  await phoneSays(page, '网关注销了用户（A0203）')
  await page.locator('#receipt-count', { hasText: '2 个服务中 1 个已完成' }).waitFor()
  expect(await page.locator('#receipt-parts [data-state=pending]').allTextContents()).toEqual(['积分服务等待中'])
  for (const token of tokens)
    await expect
      .poll(() => verifier.verify(token).catch((error) => error.code), { timeout: playground.promisedSeconds * 1000 })
      .toBe('session_ended')
  await page.locator('#verdict[data-state=refused]', { hasText: 'session_ended' }).waitFor()
  await page.getByRole('switch', { name: '积分服务停机' }).uncheck()
  await page.locator('#receipt-count', { hasText: '2 个服务中 2 个已完成' }).waitFor({ timeout: 20_000 })
  await expect.poll(() => page.locator('#receipt-parts [data-state=done]').count()).toBe(4)

  expect(await people()).toEqual([orders - 1, points - 1])
  expect((await admin()).body.data).toMatchObject({
    ...{ status: 'erased', nickname: null, avatar: null, phone: null },
    ...{ identities: [], sessions: [] },
  })
  expect((await fetch(avatar)).status).toBe(404)
  for (const token of tokens) expect((await ask('/api/user', { token })).body.code).toBe('A0203')
  verifier.close()
  // The next person on this phone sees no receipt of somebody else.
  await page.click('#login')
  await page.locator('#receipt').waitFor({ state: 'hidden' })
}, 90_000)

test.each([
  ['zh-CN', 'light', 1280, 900],
  ['en-GB', 'dark', 1280, 900],
  ['en-GB', 'light', 390, 844],
  ['zh-CN', 'dark', 390, 844],
] as const)('the receipt is in sight in %s and %s at %i × %i', async (locale, colorScheme, width, height) => {
  const page = await signIn('carol', { locale, colorScheme, viewport: { width, height } })
  await page.click('#close-account')
  await page.locator('#receipt').waitFor()
  const box = await page.locator('#receipt').boundingBox()
  expect(box && box.y + box.height).toBeLessThan(height)
  expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(width)
  await screenshot(page, `receipt-${locale}-${colorScheme}-${width}`, false)
})
