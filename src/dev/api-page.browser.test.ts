/** The API page in a real Chromium: its calls work on each listener at the first click, and it asks nobody else for anything. */
import type { Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { screenshot, seriousFindings, startPlayground, type Visit, windows } from './testing/browser.ts'

let server: Awaited<ReturnType<typeof startPlayground>>
const visits: Visit[] = []

beforeAll(async () => {
  server = await startPlayground()
})
afterAll(() => server?.stop())
afterEach(async () => {
  for (const visit of visits.splice(0)) await visit.close()
})

/** The visit's own check, that nothing is asked of strangers, knows the public origin and is told of the internal one. */
async function open(listener: 'public' | 'internal', address = '', options: Parameters<typeof server.visit>[0] = {}) {
  const visit = await server.visit(options, [server.internal])
  visits.push(visit)
  const origin = listener === 'public' ? server.origin : server.internal
  await visit.page.goto(`${origin}/docs${address}`)
  await visit.page.getByRole('heading', { name: 'Mini-program auth gateway' }).waitFor({ state: 'attached' })
  return visit.page
}

/** Opens the call, sends it as it is filled in, and waits for the reply. */
async function call(page: Page, name: string, url: string) {
  await page
    .getByRole('button', { name: new RegExp(`Test Request ?\\(${name}\\)$`) })
    .first()
    .click()
  const reply = page.waitForResponse(
    (response) => response.url().startsWith(url) && response.request().method() !== 'OPTIONS',
  )
  await page.getByRole('button', { name: /^Send Request/ }).click()
  return (await reply).status()
}

test('the first click on login succeeds on the public listener, with a code of its own for each visitor', async () => {
  for (const _ of ['once', 'twice']) {
    const page = await open('public', '#public/tag/login/POST/api/login')
    expect(await call(page, 'post /api/login', `${server.origin}/api/login`)).toBe(200)
  }
})

test('an operator’s call succeeds on the internal listener', async () => {
  const page = await open('internal', '#internal/tag/operators-users/GET/admin/users')
  expect(await call(page, 'get /admin/users', `${server.internal}/admin/users`)).toBe(200)
  await screenshot(page, 'api-operators-call', false)
})

test('login succeeds from the page of the internal listener too, at the issuer', async () => {
  const page = await open('internal', '?api=public#public/tag/login/POST/api/login')
  expect(await call(page, 'post /api/login', `${server.origin}/api/login`)).toBe(200)
})

test.each(['zh-CN', 'en-GB'])(
  '%s: no serious accessibility finding, light and dark, wide and narrow',
  async (locale) => {
    const page = await open('internal', '', { locale })
    await page.getByText('Envelope.').first().waitFor()
    for await (const window of windows(page)) {
      expect([window, await seriousFindings(page)]).toEqual([window, []])
      await screenshot(page, `api-${locale}-${window.colorScheme}-${window.width}`, false)
    }
  },
  60_000,
)

test('the policy of the page allows its own scripts and the two listeners, and nothing else', async () => {
  const policy = (await fetch(`${server.internal}/docs`)).headers.get('content-security-policy')
  expect(policy).toBe(
    `default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; ` +
      `connect-src 'self' ${server.origin}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  )
})
