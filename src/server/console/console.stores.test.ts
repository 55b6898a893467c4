/** What keeps the console to its operators: sessions, origins, tokens; on two replicas. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Browser, browserOn } from '../../dev/testing/console-client.ts'
import { BOSS, consoleTokens, DEPUTY, READER } from '../../dev/testing/console-tokens.ts'
import { startTestGateway, type TestGateway } from '../../dev/testing/test-gateway.ts'

let gateway: TestGateway
let offsetMs = 0
const clock = { now: () => new Date(Date.now() + offsetMs) }

beforeAll(async () => {
  gateway = await startTestGateway({ clock, environment: { ADMIN_TOKENS: consoleTokens } })
})
afterAll(() => gateway.close())

async function signedIn(token = BOSS): Promise<Browser> {
  const browser = browserOn(gateway)
  expect((await browser.signIn(token)).status).toBe(303)
  return browser
}
const newUser = async (person: string): Promise<string> => (await gateway.login(person)).body.data.user_id
const read = async (id: string) => (await gateway.internal('GET', `/admin/users/${id}`, { token: BOSS })).body.data
const isIn = async (browser: Browser) => (await browser.get('/keys')).status === 200

test('the console is on the internal listener alone, and not there without operators', async () => {
  expect((await gateway.publicApp.request('/console')).status).toBe(404)
  const none = await startTestGateway()
  try {
    expect((await none.internalApp.request('http://localhost/console')).status).toBe(404)
  } finally {
    await none.close()
  }
})

test('every reply keeps scripts, frames and caches out, and says nothing of a secret', async () => {
  const browser = await signedIn()
  for (const path of ['', '/keys', '/health', '/nowhere', '/sign-in']) {
    const { headers, text } = await browser.get(path)
    expect(headers.get('content-security-policy')).toContain("default-src 'none'")
    expect(headers.get('cache-control')).toBe('no-store')
    expect(text).not.toContain(BOSS)
    expect(text).not.toMatch(/<script|style=|onclick/)
  }
  expect(gateway.logs()).not.toContain(BOSS)
  expect([...browser.jar.values()].join()).not.toContain('boss')
})

describe('a change is refused', () => {
  test('without the CSRF token of this very session', async () => {
    const id = await newUser('csrf')
    const browser = await signedIn()
    const other = await (await signedIn(DEPUTY)).csrf()
    for (const csrf of ['', 'x', other]) {
      const reply = await browser.post(`/users/${id}/suspend`, { csrf, reason: 'x' })
      expect([csrf, reply.status]).toEqual([csrf, 403])
    }
    expect((await read(id)).status).toBe('active')
    expect((await browser.post(`/users/${id}/suspend`, { csrf: await browser.csrf(), reason: 'x' })).status).toBe(303)
    expect((await read(id)).status).toBe('suspended')
  })

  test('from another site, from none, and for a host name that is not ours', async () => {
    const id = await newUser('origin')
    const browser = await signedIn()
    const form = { csrf: await browser.csrf(), reason: 'x' }
    for (const origin of ['https://evil.example', 'http://localhost:81', 'null', 'garbage', ''])
      expect([origin, (await browser.post(`/users/${id}/suspend`, form, { origin })).status]).toEqual([origin, 403])
    for (const host of ['evil.example', 'localhost.evil.example', '127.0.0.1.nip.io', ''])
      expect([host, (await browser.get('/keys', { host })).status]).toEqual([host, 421])
    for (const host of ['localhost:9090', '127.0.0.1:9090', '[::1]:9090', 'gateway.localhost'])
      expect([host, (await browser.get('/keys', { host })).status]).toEqual([host, 200])
    expect((await read(id)).status).toBe('active')
  })

  test('by another method, type or size', async () => {
    const browser = await signedIn()
    for (const method of ['PUT', 'DELETE', 'PATCH'])
      expect((await gateway.internalApp.request('http://localhost/console/keys', { method })).status).toBe(405)
    const typed = { 'content-type': 'application/json' }
    expect((await browser.post('/keys/rotate', { csrf: await browser.csrf() }, typed)).status).toBe(415)
    expect((await browser.post('/keys/rotate', { after: 'x'.repeat(20_000) })).status).toBe(413)
    expect(await isIn(browser)).toBe(true)
  })
})

describe('a session', () => {
  test('works on every replica, and is over on all of them after signing out', async () => {
    const replica = await gateway.replica()
    const browser = await signedIn()
    const copied = browserOn(replica)
    for (const [name, value] of browser.jar) copied.jar.set(name, value)
    browser.goTo(replica)
    expect(await isIn(browser)).toBe(true)
    expect((await browser.post('/sign-out', { csrf: await browser.csrf() })).status).toBe(200)
    expect(await isIn(browser)).toBe(false)
    expect(await isIn(copied)).toBe(false)
    copied.goTo(gateway)
    expect(await isIn(copied)).toBe(false)
  })

  test('ends when its token is changed or taken out of the configuration, and follows its scope', async () => {
    const browser = await signedIn(DEPUTY)
    for (const [tokens, status] of [
      [consoleTokens.replace(DEPUTY, `${DEPUTY}x`), 401],
      [consoleTokens.replace('deputy:admin', 'other:admin'), 401],
      [consoleTokens.replace('deputy:admin', 'deputy:introspect'), 401],
      [consoleTokens.replace('deputy:admin', 'deputy:admin-read'), 200],
    ] as const) {
      const replica = await gateway.replica({ ADMIN_TOKENS: tokens })
      const copied = browserOn(replica)
      for (const [name, value] of browser.jar) copied.jar.set(name, value)
      const reply = await copied.get('/keys')
      expect([tokens, reply.status]).toEqual([tokens, status])
      if (status === 200) expect(reply.text).toContain('admin-read')
    }
  })

  test('ends after 30 minutes without use, is kept by use, and what was typed is there after signing in again', async () => {
    const id = await newUser('typed')
    const browser = await signedIn()
    const csrf = await browser.csrf()
    try {
      offsetMs += 29 * 60_000
      expect(await isIn(browser)).toBe(true)
      offsetMs += 29 * 60_000
      expect(await isIn(browser)).toBe(true)
      offsetMs += 31 * 60_000
      const late = await browser.post(`/users/${id}/suspend`, {
        csrf,
        reason: 'a <long> "reason"',
        operator_token: BOSS,
      })
      expect(late.status).toBe(401)
      expect(late.text).toContain('30 minutes without use')
      expect(late.text).not.toContain(BOSS)
      expect((await read(id)).status).toBe('active')
      const hidden = (name: string) => new RegExp(`name="${name}" value="([^"]*)"`).exec(late.text)?.[1] ?? ''
      const plain = (text: string) =>
        text.replaceAll('&quot;', '"').replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&')
      const form = { token: BOSS, return_to: hidden('return_to'), draft: plain(hidden('draft')) }
      const back = await browser.post('/sign-in', form)
      expect(back.location).toBe(`/console/users/${id}`)
      const page = await browser.get(`/users/${id}`)
      expect(page.text).toContain('a &lt;long&gt; &quot;reason&quot;</textarea>')
      expect((await browser.get(`/users/${id}`)).text).not.toContain('&lt;long&gt;')
    } finally {
      offsetMs = 0
    }
  })

  test('that was changed by a single character is none', async () => {
    const browser = await signedIn()
    const sealed = browser.jar.get('console') ?? ''
    for (const at of [3, 20, sealed.length - 2]) {
      browser.jar.set('console', sealed.slice(0, at) + (sealed[at] === 'A' ? 'B' : 'A') + sealed.slice(at + 1))
      expect(await isIn(browser)).toBe(false)
    }
  })

  test('leads nowhere else after signing in', async () => {
    for (const to of [
      'https://evil.example',
      '//evil.example',
      '/console//evil.example',
      '/\\evil.example',
      '/admin/users',
      '/console\r\nX: y',
    ])
      expect((await browserOn(gateway).post('/sign-in', { token: BOSS, return_to: to })).location).toBe('/console')
    const good = await browserOn(gateway).post('/sign-in', { token: BOSS, return_to: '/console/audit?kind=login' })
    expect(good.location).toBe('/console/audit?kind=login')
  })
})

test('on the https of CONSOLE_ORIGIN the cookie is kept to that host', async () => {
  const replica = await gateway.replica({ CONSOLE_ORIGIN: 'https://console.example.com' })
  const browser = browserOn(replica, 'https://console.example.com')
  const { headers } = await browser.signIn()
  expect(headers.get('set-cookie')).toMatch(/^__Host-console=[^;]+; Path=\/; HttpOnly; Secure; SameSite=Strict$/)
  expect((await browser.get('/keys')).status).toBe(200)
})

test('each act is in the audit trail as the operator’s, with the request, and so are sign-ins and refusals', async () => {
  const id = await newUser('audited')
  const browser = await signedIn(DEPUTY)
  const csrf = await browser.csrf()
  await browser.post(`/users/${id}/suspend`, { csrf, reason: 'as asked' }, { 'x-request-id': 'console-request-1' })
  const audit = async (query: string) =>
    (await gateway.internal('GET', `/admin/audit?${query}`, { token: BOSS })).body.data.items
  expect(await audit(`user_id=${id}&actor=operator:deputy&kind=user_suspended`)).toMatchObject([
    { request_id: 'console-request-1', detail: { reason: 'as asked' } },
  ])
  await browserOn(gateway).signIn('unknown-token-0123456789-0123456789-01')
  const recent = async (query: string) => (await audit(`${query}&limit=1`))[0]
  await expect
    .poll(() => recent('kind=operator_signed_in&actor=operator:deputy'))
    .toMatchObject({ actor: 'operator:deputy', detail: { by: 'token' } })
  await expect
    .poll(() => recent('kind=operator_refused'))
    .toMatchObject({ actor: 'unknown', detail: { reason: 'unknown_token' } })
})

test('guessing tokens is limited by address', async () => {
  const replica = await gateway.replica({ RATE_LIMIT: 'on' })
  const browser = browserOn(replica)
  const replies: number[] = []
  for (let each = 0; each < 22; each += 1)
    replies.push((await browser.signIn(`guess-${each}-0123456789-0123456789-0123`)).status)
  expect(replies.slice(0, 20)).toEqual(Array.from({ length: 20 }, () => 401))
  expect(replies.slice(20)).toEqual([429, 429])
  expect(await isIn(await signedIn(READER))).toBe(true)
})
