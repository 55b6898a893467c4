/** The playground's server: what it hands to the gateway, what it refuses, and what it keeps to itself. */
import { Hono } from 'hono'
import { expect, test } from 'vitest'
import { systemClock } from '../../server/clock.ts'
import { createMemoryCache } from '../../server/storage/cache.memory.ts'
import { createWechatSimulator } from '../simulator/wechat.ts'
import { createSwitchableCache } from '../switchable-cache.ts'
import { createJournal } from './journal.ts'
import { createPlayground } from './playground.ts'

const ORIGIN = 'http://localhost:8080'

function create() {
  const cache = createSwitchableCache(createMemoryCache({ clock: systemClock }))
  const journal = createJournal()
  const { app } = createPlayground({
    publicApp: new Hono().all('*', (c) => c.text('the gateway')),
    simulator: createWechatSimulator({ apps: [{ appid: 'wx1', secret: 'secret-one' }] }).app,
    cache,
    journal,
    issuer: ORIGIN,
    audience: [ORIGIN],
    appid: 'wx1',
    statusListTtlSeconds: 30,
    baseUrl: 'http://127.0.0.1:9',
    sign: async () => ({ status: 502, code: 'C0001', msg: 'away' }),
    receiptOf: async () => undefined,
  })
  return { app, cache, journal }
}

test('everything but the page, its data and the simulator is the gateway’s', async () => {
  const { app } = create()
  expect((await app.request('/')).headers.get('location')).toBe('/playground/')
  for (const path of ['/api/login', '/.well-known/jwks.json', '/no/such/path']) {
    expect(await (await app.request(path)).text()).toBe('the gateway')
  }
  const login = { method: 'POST', body: '{"person":"alice"}', headers: { 'content-type': 'application/json' } }
  expect(await (await app.request('/simulator/login', login)).json()).toEqual({ code: expect.any(String) })
})

test('every file of the page carries a policy without inline script, foreign origin or markup made of text', async () => {
  const { app } = create()
  for (const path of ['/playground/', '/playground/playground.js', '/playground/sdk.js', '/playground/icon.svg']) {
    const policy = (await app.request(path)).headers.get('content-security-policy') ?? ''
    expect(policy).toContain("default-src 'none'; script-src 'self'; style-src 'self';")
    expect(policy).toContain("require-trusted-types-for 'script'; trusted-types 'none'")
    expect(policy).not.toMatch(/unsafe|https?:|\*/)
  }
})

test.each([
  '/playground/playground.ts',
  '/playground/..%2fplayground.ts',
  '/playground/web%2fplayground.js',
  '/playground/none.js',
])('%s is not served', async (path) => {
  expect((await create().app.request(path)).status).toBe(404)
})

test.each([
  ['PUT', '/playground/redis', '{"down":true}'],
  ['POST', '/simulator/faults', '{"drop":true}'],
  ['DELETE', '/simulator/faults', undefined],
])('%s %s of another site is refused', async (method, path, body) => {
  const { app, cache } = create()
  const headers = { origin: 'https://evil.example', 'content-type': 'text/plain' }
  const reply = await app.request(ORIGIN + path, { method, headers, ...(body === undefined ? {} : { body }) })
  expect(reply.status).toBe(403)
  expect(cache.isDown()).toBe(false)
})

test('the cache switched off fails as Redis does, and is itself again afterwards', async () => {
  const { app, cache } = create()
  const order = (body: string) =>
    app.request('/playground/redis', { method: 'PUT', body, headers: { 'content-type': 'application/json' } })
  await cache.set('a', '1', 60_000)
  expect((await order('{"down":true}')).status).toBe(200)
  await expect(cache.get('a')).rejects.toMatchObject({ name: 'CacheUnavailable' })
  expect(cache.available()).toBe(false)
  expect((await order('{"down":"no"}')).status).toBe(400)
  expect((await order('{"down":false}')).status).toBe(200)
  expect(await cache.get('a')).toBe('1')
})

test('the business service refuses a request without a token', async () => {
  const reply = await create().app.request('/playground/business/orders')
  expect(reply.status).toBe(401)
  expect(reply.headers.get('www-authenticate')).toContain('token_missing')
})

test('the journal tells of a call to WeChat without AppSecret, session_key and platform credential', async () => {
  const { app, journal } = create()
  const send = journal.recordSend(async () => ({ status: 200, text: '{"openid":"o1","session_key":"sk-secret"}' }))
  await send({
    operation: 'code2Session',
    method: 'GET',
    url: 'https://api.weixin.qq.com/sns/jscode2session?appid=wx1&secret=app-secret&access_token=at-secret&js_code=c1',
    timeoutMs: 1000,
  })
  const text = await (await app.request('/playground/state?after=0')).text()
  expect(text).toContain('"openid":"o1"')
  expect(text).toContain('js_code=c1')
  expect(text).not.toMatch(/sk-secret|app-secret|at-secret/)
})
