/** Sign-in to the console by OpenID Connect, against a provider on loopback. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { type Browser, browserOn } from '../../dev/testing/console-client.ts'
import { BOSS, consoleTokens } from '../../dev/testing/console-tokens.ts'
import { oidcEnvironment, startOidcProvider } from '../../dev/testing/oidc-provider.ts'
import { startTestGateway, type TestGateway } from '../../dev/testing/test-gateway.ts'

const ORIGIN = 'http://localhost'
let provider: Awaited<ReturnType<typeof startOidcProvider>>
let gateway: TestGateway

beforeAll(async () => {
  provider = await startOidcProvider()
  gateway = await startTestGateway({
    environment: { ADMIN_TOKENS: consoleTokens, ...oidcEnvironment(provider.issuer, ORIGIN) },
  })
})
afterAll(async () => {
  await gateway?.close()
  await provider?.close()
})
afterEach(() => {
  provider.state.claims = {}
  provider.state.authAgeSeconds = 3600
})

const person = (roles: unknown, more = {}) => ({
  sub: 'u-1',
  email: 'alice@example.com',
  email_verified: true,
  realm_access: { roles },
  ...more,
})
const ADMIN = ['x', 'auth-gateway-admin']

/** To the provider and back, as a browser follows redirects; answers the page that the callback makes. */
async function signIn(browser: Browser, { query = '', spoil = (url: URL) => url } = {}) {
  const { location } = await browser.get(`/oidc/start${query}`)
  const back = (await fetch(location ?? '', { redirect: 'manual' })).headers.get('location') ?? ''
  const url = spoil(new URL(back))
  return await browser.get(`${url.pathname.replace('/console', '')}${url.search}`)
}
const audit = async (query: string) =>
  (await gateway.internal('GET', `/admin/audit?${query}`, { token: BOSS })).body.data.items

test('an operator signs in with PKCE, state and nonce, goes on where they were, and is named by a verified address', async () => {
  provider.state.person = person(ADMIN)
  const browser = browserOn(gateway)
  const asking = await browser.get('/audit?kind=login')
  expect(asking.text).toContain('/console/oidc/start?return_to=%2Fconsole%2Faudit%3Fkind%3Dlogin')
  const done = await signIn(browser, { query: '?return_to=%2Fconsole%2Faudit%3Fkind%3Dlogin' })
  expect(done.status).toBe(200)
  expect(done.text).toContain('url=/console/audit?kind=login')
  const asked = provider.state.asked.at(-1)
  expect(asked?.get('code_challenge_method')).toBe('S256')
  for (const name of ['state', 'nonce', 'code_challenge']) expect(asked?.get(name)?.length).toBeGreaterThan(20)
  const page = await browser.get('/audit?kind=login')
  expect([page.status, page.text]).toEqual([200, expect.stringContaining('oidc/alice@example.com')])

  const { user_id } = (await gateway.login('by oidc')).body.data
  await browser.post(`/users/${user_id}/suspend`, { csrf: await browser.csrf(), reason: 'x' })
  expect(await audit(`user_id=${user_id}&kind=user_suspended`)).toMatchObject([
    { actor: 'operator:oidc/alice@example.com' },
  ])
})

test.each<[string, unknown, object, string]>([
  ['the role that reads', 'auth-gateway-read', {}, 'read only'],
  ['an address that nobody verified', ADMIN, { email_verified: false }, 'oidc/u-1'],
])('%s is what it says', async (_what, roles, more, shown) => {
  provider.state.person = person(roles, more)
  const browser = browserOn(gateway)
  await signIn(browser)
  expect((await browser.get('/keys')).text).toContain(shown)
})

test('without a role nobody is let in, and the refusal is audited', async () => {
  for (const roles of [[], 'auth-gateway-administrators', undefined, [{ admin: true }]]) {
    provider.state.person = person(roles)
    const browser = browserOn(gateway)
    const reply = await signIn(browser)
    expect([reply.status, reply.text]).toEqual([403, expect.stringContaining('no role for the console')])
    expect((await browser.get('/keys')).status).toBe(401)
  }
  await expect
    .poll(async () => (await audit('kind=operator_refused&limit=1'))[0])
    .toMatchObject({ detail: { reason: 'no-role' } })
})

test('a reply that was not asked for by this browser, was changed, or comes twice is refused', async () => {
  provider.state.person = person(ADMIN)
  const change = (name: string, value: string) => (url: URL) => {
    url.searchParams.set(name, value)
    return url
  }
  for (const spoil of [change('state', 'x'), change('code', 'x'), change('iss', 'https://evil.example')]) {
    const browser = browserOn(gateway)
    expect((await signIn(browser, { spoil })).status).toBe(403)
    expect((await browser.get('/keys')).status).toBe(401)
  }
  const victim = browserOn(gateway)
  let kept = ''
  await signIn(browserOn(gateway), {
    spoil: (url) => {
      kept = url.search
      return url
    },
  })
  expect((await victim.get(`/oidc/callback${kept}`)).status).toBe(403)
  for (const claims of [{ nonce: 'other' }, { aud: 'other' }, { iss: 'https://evil.example' }]) {
    provider.state.claims = claims
    const browser = browserOn(gateway)
    expect((await signIn(browser)).status).toBe(403)
  }
})

test('erasing wants a fresh sign-in: prompt=login and an auth_time of this moment', async () => {
  provider.state.person = person(ADMIN)
  const { user_id } = (await gateway.login('oidc erase')).body.data
  const browser = browserOn(gateway)
  await signIn(browser)
  const path = `/users/${user_id}/erase`
  expect((await browser.get(path)).text).toContain('/console/oidc/start?fresh=1')
  const form = async () => ({ csrf: await browser.csrf(), confirm: user_id.slice(-8) })
  expect((await browser.post(path, await form())).status).toBe(400)

  // A provider that does not ask again is not believed.
  provider.state.claims = { auth_time: Math.floor(Date.now() / 1000) - 3600 }
  expect((await signIn(browser, { query: `?fresh=1&return_to=/console${path}` })).status).toBe(403)
  provider.state.claims = {}
  expect((await signIn(browser, { query: `?fresh=1&return_to=/console${path}` })).status).toBe(200)
  expect(provider.state.asked.at(-1)?.get('prompt')).toBe('login')
  expect((await browser.post(path, await form())).location).toBe(`/console/users/${user_id}`)
  expect(await audit(`user_id=${user_id}&kind=user_erased`)).toMatchObject([
    { actor: 'operator:oidc/alice@example.com' },
  ])
})

test('a session ends when the client of OIDC is changed, and works without ADMIN_TOKENS', async () => {
  provider.state.person = person(ADMIN)
  const browser = browserOn(gateway)
  await signIn(browser)
  browser.goTo(await gateway.replica({ ADMIN_TOKENS: '' }))
  expect((await browser.get('/keys')).status).toBe(200)
  browser.goTo(await gateway.replica({ CONSOLE_OIDC_CLIENT_SECRET: 'another-secret' }))
  expect((await browser.get('/keys')).status).toBe(401)
})

test('a provider that is away is an outage of the sign-in by it alone', async () => {
  const replica = await gateway.replica({ CONSOLE_OIDC_ISSUER: 'http://127.0.0.1:9' })
  const browser = browserOn(replica)
  expect((await browser.get('/oidc/start')).status).toBe(502)
  expect((await browser.signIn()).status).toBe(303)
})
