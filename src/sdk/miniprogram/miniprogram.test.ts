/** The mini-program SDK over real HTTP, with a faithful `wx` and a small server that keeps the contract's promises on login and refresh. */
import type { Server } from 'node:http'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createFakeWx } from '../../dev/testing/fake-wx.ts'
import { listen, type Seen, startGateway } from '../../dev/testing/miniprogram.ts'
import { type AuthError, type AuthOptions, createAuth, type MiniProgramApi } from './miniprogram.ts'

const APPID = 'wx0000000000000001'
const PNG = Uint8Array.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0xff, 0x0d, 0x0a])

let gateway: Awaited<ReturnType<typeof startGateway>>
let phone: ReturnType<typeof createFakeWx>
let clock: { at: number; slept: number[]; now(): number; sleep(ms: number): Promise<void> }
let servers: Server[]
let phones: ReturnType<typeof createFakeWx>[]

beforeEach(async () => {
  servers = []
  phones = []
  clock = {
    at: 1_800_000_000_000,
    slept: [],
    now: () => clock.at,
    sleep: (ms) => {
      clock.slept.push(ms)
      clock.at += ms
      return new Promise((resolve) => setImmediate(resolve))
    },
  }
  gateway = await startGateway(servers)
  phone = createPhone()
})

afterEach(() => {
  for (const each of phones) each.controls.close()
  for (const server of servers) server.closeAllConnections()
  return Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
})

function createPhone() {
  let next = 0
  const made = createFakeWx({ appid: APPID, login: () => `code-${++next}`, files: { 'http://tmp/a.png': PNG } })
  phones.push(made)
  return made
}

const createTestAuth = (more: Partial<AuthOptions> = {}) =>
  createAuth({ baseURL: gateway.url, api: phone.wx, clock, ...more })

const failure = (promise: Promise<unknown>): Promise<AuthError> =>
  promise.then(
    () => {
      throw new Error('expected a failure')
    },
    (error) => error,
  )

test('the first request that needs a session logs in silently, however many requests wait for it', async () => {
  const auth = createTestAuth({ device: 'test phone' })
  expect(auth.user()).toBeNull()
  await Promise.all(Array.from({ length: 50 }, (_, index) => auth.request({ url: `/orders/${index}` })))
  expect(gateway.to('/api/login')).toHaveLength(1)
  expect(gateway.to('/api/login')[0]?.json).toEqual({ code: 'code-1', appid: APPID, device: 'test phone' })
  expect(auth.user()).toEqual({ user_id: 'u-1', nickname: null, is_new_user: true })
  expect(phone.controls.counts.mostConcurrent).toBe(10)
})

test('the platform is not touched before it is needed, and its absence is an error with a name', async () => {
  const auth = createAuth({ baseURL: gateway.url })
  expect((await failure(auth.request({ url: '/orders' }))).code).toBe('NO_PLATFORM')
})

test('50 parallel requests with an expired token make one refresh, and each is repeated once', async () => {
  const auth = createTestAuth()
  await auth.login()
  gateway.expireAccessTokens()
  const orders = Array.from({ length: 50 }, (_, index) => auth.request<{ path: string }>({ url: `/orders/${index}` }))
  const paths = (await Promise.all(orders)).map(({ path }) => path)
  expect(paths).toEqual(Array.from({ length: 50 }, (_, index) => `/orders/${index}`))
  expect(gateway.to('/api/refresh')).toHaveLength(1)
  expect(gateway.to('/api/login')).toHaveLength(1)
  for (let index = 0; index < 50; index++) expect(gateway.to(`/orders/${index}`).length).toBeLessThanOrEqual(2)
})

test('a token that is refused again after the refresh is an error, not a loop', async () => {
  const auth = createTestAuth()
  await auth.login()
  gateway.answerNext('/orders', { status: 401, code: 'A0230' })
  gateway.answerNext('/orders', { status: 401, code: 'A0230' })
  expect(await failure(auth.request({ url: '/orders' }))).toMatchObject({
    code: 'A0230',
    statusCode: 401,
    requestId: 'req-1',
  })
  expect(gateway.to('/orders')).toHaveLength(2)
})

test('only a request turned away by the check of its token is repeated', async () => {
  const auth = createTestAuth()
  await auth.login()
  for (const reply of [
    { status: 401, code: 'A0223' },
    { status: 403, code: 'A0312' },
    { status: 500, code: 'B0001' },
    { status: 503, code: 'B0320', headers: { 'Retry-After': '1' } },
  ]) {
    const before = gateway.to('/pay').length
    gateway.answerNext('/pay', reply)
    expect((await failure(auth.request({ url: '/pay', method: 'POST', data: { amount: 1 } }))).code).toBe(reply.code)
    expect(gateway.to('/pay').length - before).toBe(1)
  }
  phone.controls.loseReply('/orders')
  expect((await failure(auth.request({ url: '/orders' }))).code).toBe('NETWORK')
  expect(gateway.to('/orders')).toHaveLength(1)
  phone.controls.loseReply('/pay')
  const before = gateway.to('/pay').length
  expect((await failure(auth.request({ url: '/pay', method: 'POST' }))).code).toBe('NETWORK')
  expect(gateway.to('/pay').length - before).toBe(1)
  expect(gateway.to('/api/refresh')).toHaveLength(0)
})

test('a lost refresh reply is survived: the same refresh token is sent again', async () => {
  const auth = createTestAuth()
  await auth.login()
  gateway.expireAccessTokens()
  phone.controls.loseReply('/api/refresh')
  await auth.request({ url: '/orders' })
  expect(gateway.to('/api/refresh').map(({ json }) => json.refresh_token)).toEqual(['s1.0', 's1.0'])
  expect(gateway.to('/api/login')).toHaveLength(1)
})

test('a lost login reply is survived: the same code is sent again, and WeChat is asked for one code', async () => {
  const auth = createTestAuth()
  phone.controls.loseReply('/api/login')
  await auth.login()
  expect(gateway.to('/api/login').map(({ json }) => json.code)).toEqual(['code-1', 'code-1'])
  expect(phone.controls.counts.logins).toBe(1)
})

test('a refresh token that has died, or was replayed, ends in a silent login', async () => {
  for (const code of ['A0230', 'A0220']) {
    const auth = createTestAuth()
    await auth.login()
    const logins = gateway.to('/api/login').length
    gateway.expireAccessTokens()
    gateway.answerNext('/api/refresh', { status: 401, code })
    await auth.request({ url: '/orders' })
    expect(gateway.to('/api/login').length - logins).toBe(1)
  }
})

test('a refused login code is replaced once, and only once', async () => {
  const auth = createTestAuth()
  gateway.answerNext('/api/login', { status: 401, code: 'A0223' })
  await auth.login()
  expect(gateway.to('/api/login').map(({ json }) => json.code)).toEqual(['code-1', 'code-2'])

  gateway.answerNext('/api/login', { status: 401, code: 'A0223' })
  gateway.answerNext('/api/login', { status: 401, code: 'A0223' })
  expect((await failure(auth.login({ force: true }))).code).toBe('A0223')
  expect(gateway.to('/api/login')).toHaveLength(4)

  gateway.answerNext('/api/login', { status: 401, code: 'A0223' })
  expect((await failure(auth.login({ code: 'mine', encryptedData: 'x', iv: 'y' }))).code).toBe('A0223')
  expect(gateway.to('/api/login')).toHaveLength(5)
})

test('a suspended, erased or blocked user is told so once, and no request asks again until an explicit login', async () => {
  for (const code of ['A0202', 'A0203', 'A0321']) {
    const auth = createTestAuth({ appid: code })
    gateway.answerNext('/api/login', { status: 403, code })
    const before = gateway.seen.length
    expect((await failure(auth.request({ url: '/orders' }))).code).toBe(code)
    expect((await failure(auth.request({ url: '/orders' }))).code).toBe(code)
    expect(gateway.seen.length - before).toBe(1)
    expect((await auth.login()).user_id).toBe('u-1')
  }
})

test('offline requests fail plainly, and the first one after is served without a new login', async () => {
  const auth = createTestAuth()
  await auth.login()
  clock.at += 16 * 60_000
  phone.controls.offline = true
  for (let index = 0; index < 6; index++) {
    expect((await failure(auth.request({ url: '/orders' }))).code).toBe('NETWORK')
  }
  phone.controls.offline = false
  await auth.request({ url: '/orders' })
  expect(gateway.to('/api/login')).toHaveLength(1)
  expect(gateway.to('/api/refresh')).toHaveLength(1)
})

test('a token is renewed a minute before its end, by the time since it arrived and never by the date', async () => {
  const auth = createTestAuth()
  clock.at = 0
  await auth.login()
  clock.at += 839_000
  await auth.request({ url: '/orders' })
  expect(gateway.to('/api/refresh')).toHaveLength(0)
  clock.at += 2_000
  await auth.request({ url: '/orders' })
  expect(gateway.to('/api/refresh')).toHaveLength(1)
})

test('a phone whose clock is set back renews its token instead of trusting it for too long', async () => {
  const auth = createTestAuth()
  await auth.login()
  clock.at -= 86_400_000
  await auth.request({ url: '/orders' })
  expect(gateway.to('/api/refresh')).toHaveLength(1)
})

test('when an early renewal fails for the moment, the old token serves its last minute', async () => {
  const auth = createTestAuth()
  await auth.login()
  clock.at += 850_000
  for (let tries = 0; tries < 3; tries++) gateway.answerNext('/api/refresh', { status: 503, code: 'B0320' })
  expect(await auth.request({ url: '/orders' })).toMatchObject({ path: '/orders' })
})

test('a cold start goes on with the tokens in storage', async () => {
  await createTestAuth().login()
  const started = createTestAuth()
  expect(started.user()?.user_id).toBe('u-1')
  await started.request({ url: '/orders' })
  expect(gateway.to('/api/login')).toHaveLength(1)
  expect(gateway.to('/api/refresh')).toHaveLength(0)
})

test('storage is kept apart by gateway and appid', async () => {
  await createTestAuth().login()
  expect([...phone.controls.disk.keys()]).toEqual([`auth:${gateway.url}:${APPID}`])
  expect(createTestAuth({ appid: 'wx-other' }).user()).toBeNull()
  expect(createTestAuth({ baseURL: `${gateway.url}/other` }).user()).toBeNull()
})

test('what lies in storage may be anything, and at worst costs a login', async () => {
  for (const rubbish of ['"text"', '42', 'null', '[]', '{}', '{"refresh_token":"forged"}', 'not json']) {
    phone.controls.disk.set(`auth:${gateway.url}:${APPID}`, rubbish)
    const auth = createTestAuth()
    expect(await auth.request({ url: '/orders' })).toMatchObject({ path: '/orders' })
  }
})

test('where storage is refused the tokens live in memory, and no old refresh token is left behind', async () => {
  const auth = createTestAuth()
  await auth.login()
  expect(phone.controls.disk.size).toBe(1)
  phone.controls.refuseStorage = true
  for (let round = 0; round < 3; round++) {
    clock.at += 15 * 60_000
    await auth.request({ url: '/orders' })
  }
  expect(gateway.to('/api/refresh').map(({ json }) => json.refresh_token)).toEqual(['s1.0', 's1.1', 's1.2'])
  expect(phone.controls.disk.size).toBe(0)
})

test('two copies of the SDK share one session: what one has renewed the other takes over', async () => {
  const [one, two] = [createTestAuth(), createTestAuth()]
  await one.login()
  await two.request({ url: '/orders' })
  for (let round = 0; round < 3; round++) {
    clock.at += 15 * 60_000
    await one.request({ url: '/orders' })
    await two.request({ url: '/orders' })
  }
  expect(gateway.to('/api/login')).toHaveLength(1)
  expect(gateway.to('/api/refresh')).toHaveLength(3)
})

test('two copies of the SDK that renew at the same moment both go on', async () => {
  const [one, two] = [createTestAuth(), createTestAuth()]
  await one.login()
  await two.request({ url: '/orders' })
  gateway.expireAccessTokens()
  await Promise.all([one.request({ url: '/orders' }), two.request({ url: '/orders' })])
  clock.at += 15 * 60_000
  await two.request({ url: '/orders' })
  await one.request({ url: '/orders' })
  expect(gateway.to('/api/login')).toHaveLength(1)
})

test('the fuse opens when fresh tokens keep being refused, lets one trial through after its pause, and closes again', async () => {
  const auth = createTestAuth()
  await auth.login()
  for (let round = 0; round < 20; round++) {
    gateway.expireAccessTokens()
    await auth.request({ url: '/orders' }).catch(() => {})
  }
  const renewals = () => gateway.to('/api/refresh').length + gateway.to('/api/login').length
  expect(renewals()).toBe(4)
  const open = await failure(auth.request({ url: '/orders' }))
  expect(open).toMatchObject({ code: 'FUSE_OPEN', retryAfter: 10 })

  clock.at += 10_000
  await auth.request({ url: '/orders' })
  expect(renewals()).toBe(5)
  gateway.expireAccessTokens()
  expect((await failure(auth.request({ url: '/orders' }))).code).toBe('FUSE_OPEN')

  clock.at += 60_000
  for (let round = 0; round < 3; round++) {
    gateway.expireAccessTokens()
    await auth.request({ url: '/orders' })
  }
  expect(renewals()).toBe(8)
})

test('a server that asks for patience is not asked again before, by any request', async () => {
  const auth = createTestAuth()
  gateway.answerNext('/api/login', { status: 429, code: 'A0501', headers: { 'Retry-After': '60' } })
  expect(await failure(auth.request({ url: '/orders' }))).toMatchObject({ code: 'A0501', retryAfter: 60 })
  clock.at += 20_000
  expect(await failure(auth.request({ url: '/orders' }))).toMatchObject({ code: 'A0501', retryAfter: 40 })
  expect(gateway.seen).toHaveLength(1)
  clock.at += 40_001
  await auth.request({ url: '/orders' })
})

test('a short Retry-After is waited for, a bounded number of times', async () => {
  const auth = createTestAuth()
  await auth.login()
  for (let tries = 0; tries < 5; tries++) {
    gateway.answerNext('/orders', { status: 503, code: 'B0210', headers: { 'Retry-After': '2' } })
  }
  expect((await failure(auth.request({ url: '/orders' }))).code).toBe('B0210')
  expect(gateway.to('/orders')).toHaveLength(3)
  for (const ms of clock.slept) expect(ms).toBeGreaterThanOrEqual(2000)
})

test('tokens go to the gateway and the named audiences, and to no other host in any disguise', async () => {
  const seen: Seen[] = []
  const business = await listen(servers, (request, response) => {
    seen.push(request)
    response.writeHead(200, { 'Content-Type': 'application/json' }).end('{"orders":[]}')
  })
  const auth = createTestAuth({ audiences: [`${business}/`] })
  expect(await auth.request({ url: `${business}/orders?page=1` })).toEqual({ orders: [] })
  expect(seen[0]?.headers.authorization).toMatch(/^Bearer access-/)

  const host = business.replace('http://', '')
  for (const url of [
    'https://evil.example/orders',
    '//evil.example/orders',
    '/\\evil.example/orders',
    'orders',
    '.evil.example/orders',
    '@evil.example/orders',
    `http://${host}@evil.example/orders`,
    `http://${host}.evil.example/orders`,
    `http://${host}\\@evil.example/orders`,
    `http://${host}0/orders`,
    `https://${host}/orders`,
    ` http://${host}/orders`,
    'http:evil.example',
    'javascript:alert(1)',
    '',
  ]) {
    expect((await failure(auth.request({ url }))).code, url).toBe('FOREIGN_URL')
  }
  expect(seen).toHaveLength(1)
})

test('a business server that says invalid_token without our envelope gets a fresh token, and its other errors come through', async () => {
  let refuse = true
  const business = await listen(servers, (request, response) => {
    if (request.path === '/teapot') response.writeHead(418, { 'content-type': 'application/json' }).end('{"why":"tea"}')
    else if (refuse) {
      refuse = false
      response.writeHead(401, { 'WWW-Authenticate': 'Bearer realm="x", error="invalid_token"' }).end('Unauthorized')
    } else response.writeHead(200, { 'content-type': 'application/json' }).end('[1,2]')
  })
  const auth = createTestAuth({ audiences: [business] })
  expect(await auth.request({ url: `${business}/orders` })).toEqual([1, 2])
  expect(gateway.to('/api/refresh')).toHaveLength(1)
  expect(await failure(auth.request({ url: `${business}/teapot` }))).toMatchObject({
    code: 'HTTP_418',
    statusCode: 418,
    body: { why: 'tea' },
  })
})

test('PATCH, and DELETE with a body, travel as POST with X-HTTP-Method-Override, since wx.request cannot send them', async () => {
  const auth = createTestAuth()
  await auth.request({ url: '/api/user', method: 'PATCH', data: { nickname: '小明' } })
  expect(gateway.to('/api/user')[0]).toMatchObject({ method: 'POST', json: { nickname: '小明' } })
  expect(gateway.to('/api/user')[0]?.headers['x-http-method-override']).toBe('PATCH')
  await auth.request({ url: '/api/user', method: 'DELETE', data: { code: 'fresh' } })
  expect(gateway.to('/api/user')[1]).toMatchObject({ method: 'POST', json: { code: 'fresh' } })
  expect(gateway.to('/api/user')[1]?.headers['x-http-method-override']).toBe('DELETE')
  await auth.login()
  await auth.request({ url: '/api/sessions/s1', method: 'DELETE' })
  expect(gateway.to('/api/sessions/s1')[0]?.method).toBe('DELETE')
})

test('after the account is erased no silent login makes a new one', async () => {
  const auth = createTestAuth()
  await auth.request({ url: '/api/user', method: 'DELETE', data: { code: 'fresh' } })
  expect(auth.user()).toBeNull()
  expect((await failure(auth.request({ url: '/orders' }))).code).toBe('LOGGED_OUT')
  expect(gateway.to('/api/login')).toHaveLength(1)
})

test('an avatar is sent by PUT as multipart/form-data, byte for byte, and survives an expired token', async () => {
  const auth = createTestAuth()
  await auth.login()
  gateway.expireAccessTokens()
  await auth.upload({ filePath: 'http://tmp/a.png' })
  const [, sent] = gateway.to('/api/user/avatar')
  expect(sent?.method).toBe('PUT')
  const form = await new Response(new Uint8Array(sent?.body ?? []), {
    headers: { 'content-type': sent?.headers['content-type'] ?? '' },
  }).formData()
  const file = form.get('file') as File
  expect([...form.keys()]).toEqual(['file'])
  expect([file.name, file.type]).toEqual(['file.png', 'image/png'])
  expect(new Uint8Array(await file.arrayBuffer())).toEqual(PNG)
  expect((await failure(auth.upload({ filePath: 'http://tmp/gone.png' }))).code).toBe('FILE')
})

test('the phone button sends its code, and a refused one asks for another tap', async () => {
  const auth = createTestAuth()
  await auth.bindPhone({ detail: { code: 'phone-1', encryptedData: 'x', iv: 'y' } })
  expect(gateway.to('/api/user/phone')[0]?.json).toEqual({ code: 'phone-1' })
  gateway.answerNext('/api/user/phone', { status: 401, code: 'A0223' })
  expect(await failure(auth.bindPhone({ detail: { code: 'phone-1' } }))).toMatchObject({
    code: 'A0223',
    tapAgain: true,
  })
  const refused = await failure(auth.bindPhone({ detail: { errMsg: 'getPhoneNumber:fail user deny' } }))
  expect(refused).toMatchObject({ code: 'PHONE_REFUSED', body: 'getPhoneNumber:fail user deny' })
  expect(gateway.to('/api/user/phone')).toHaveLength(2)
})

test('a stale session_key is renewed by one login, and the user is asked to tap again', async () => {
  const auth = createTestAuth()
  await auth.login()
  const event = { detail: { encryptedData: 'x', iv: 'y' } }
  gateway.answerNext('/api/user/phone', { status: 409, code: 'A0240' })
  expect(await failure(auth.bindPhone(event))).toMatchObject({ code: 'A0240', tapAgain: true })
  expect(gateway.to('/api/login')).toHaveLength(2)
  await auth.bindPhone(event)
  expect(gateway.to('/api/user/phone')[1]?.json).toEqual({ encryptedData: 'x', iv: 'y' })
})

test('data encrypted under an old session_key are not sent at all', async () => {
  const auth = createTestAuth()
  await auth.login()
  const event = { detail: { encryptedData: 'x', iv: 'y' } }
  phone.controls.sessionKeyExpired = true
  expect(await failure(auth.bindPhone(event))).toMatchObject({ code: 'A0240', tapAgain: true })
  expect(gateway.to('/api/user/phone')).toHaveLength(0)
  gateway.endSessions()
  expect(await failure(auth.bindPhone(event))).toMatchObject({ code: 'A0240', tapAgain: true })
  expect(gateway.to('/api/user/phone')).toHaveLength(1)
})

test('before encrypted data, wx.checkSession decides whether a login is needed', async () => {
  const auth = createTestAuth()
  await auth.login()
  await auth.prepareEncryptedData()
  expect(gateway.to('/api/login')).toHaveLength(1)
  phone.controls.sessionKeyExpired = true
  await auth.prepareEncryptedData()
  expect(gateway.to('/api/login')).toHaveLength(2)
})

test('a forced login ends the session that it replaces, and a double tap makes one', async () => {
  const auth = createTestAuth()
  await auth.login()
  await Promise.all([auth.login({ force: true }), auth.login({ force: true })])
  expect(gateway.to('/api/login')).toHaveLength(2)
  await expect.poll(() => gateway.to('/api/logout').map(({ json }) => json.refresh_token)).toEqual(['s1.0'])
})

test('an empty device sends none', async () => {
  await createTestAuth({ device: '' }).login()
  expect(gateway.to('/api/login')[0]?.json).toEqual({ code: 'code-1', appid: APPID })
})

test('login sends the old client’s userinfo along', async () => {
  await createTestAuth().login({ userinfo: { nickName: '小明' } })
  expect(gateway.to('/api/login')[0]?.json.userinfo).toEqual({ nickName: '小明' })
  expect(gateway.to('/api/login')[0]?.json).not.toHaveProperty('force')
})

test('a logout ends the session and lasts, over a cold start too, until an explicit login', async () => {
  const auth = createTestAuth()
  await auth.login()
  await auth.logout()
  expect(gateway.to('/api/logout')[0]?.json).toEqual({ refresh_token: 's1.0' })
  expect(auth.user()).toBeNull()
  expect((await failure(auth.request({ url: '/orders' }))).code).toBe('LOGGED_OUT')
  const started = createTestAuth()
  expect((await failure(started.request({ url: '/orders' }))).code).toBe('LOGGED_OUT')
  expect(gateway.to('/api/login')).toHaveLength(1)
  await started.login()
  await started.request({ url: '/orders' })
  expect(gateway.to('/api/login')).toHaveLength(2)
})

test('preparing for encrypted data is no login: it neither undoes a logout nor asks about a suspended user again', async () => {
  const auth = createTestAuth()
  await auth.login()
  await auth.logout()
  phone.controls.sessionKeyExpired = true
  expect((await failure(auth.prepareEncryptedData())).code).toBe('LOGGED_OUT')
  expect((await failure(createTestAuth().prepareEncryptedData())).code).toBe('LOGGED_OUT')
  expect(gateway.to('/api/login')).toHaveLength(1)
  gateway.answerNext('/api/login', { status: 403, code: 'A0202' })
  expect((await failure(auth.login())).code).toBe('A0202')
  phone.controls.sessionKeyExpired = true
  expect((await failure(auth.prepareEncryptedData())).code).toBe('A0202')
  expect(gateway.to('/api/login')).toHaveLength(2)
})

test('a logout while offline still forgets the tokens', async () => {
  const auth = createTestAuth()
  await auth.login()
  phone.controls.offline = true
  await auth.logout()
  expect(auth.user()).toBeNull()
  expect([...phone.controls.disk.values()].join()).not.toContain('access-')
})

test('a login reply that arrives after a logout is turned away, and its session ended', async () => {
  const auth = createTestAuth()
  const waiting = failure(auth.request({ url: '/orders' }))
  await expect.poll(() => phone.controls.counts.logins).toBe(1)
  await auth.logout()
  expect((await waiting).code).toBe('LOGGED_OUT')
  expect(auth.user()).toBeNull()
  await expect.poll(() => gateway.to('/api/logout').map(({ json }) => json.refresh_token)).toEqual(['s1.0'])
})

test('listeners hear of sign-in and sign-out, not of refreshes, and a listener’s mistake harms nobody', async () => {
  const auth = createTestAuth()
  const heard: (string | null)[] = []
  const stop = auth.onChange((user) => heard.push(user?.user_id ?? null))
  await auth.login()
  gateway.expireAccessTokens()
  await auth.request({ url: '/orders' })
  await auth.logout()
  stop()
  await auth.login()
  await new Promise((resolve) => setImmediate(resolve))
  expect(heard).toEqual(['u-1', null])
})

test('Alipay’s names and habits are met: getAuthCode, headers, status, storage by object, and a 401 as a failure', async () => {
  type Options = { url: string; success(raw: object): void; fail(raw: object): void; headers: object }
  const disk = new Map<string, unknown>()
  const my = {
    getAuthCode: ({ success }: { success(raw: object): void }) => success({ authCode: 'alipay-code' }),
    getAppIdSync: () => ({ appId: '2021000000000001' }),
    getStorageSync: ({ key }: { key: string }) => ({ data: disk.get(key) ?? null }),
    setStorageSync: ({ key, data }: { key: string; data: unknown }) => disk.set(key, data),
    removeStorageSync: ({ key }: { key: string }) => disk.delete(key),
    request: ({ success, fail, headers, ...rest }: Options) =>
      phone.wx.request({
        ...rest,
        header: headers,
        success: ({ statusCode, header, data }) => {
          const raw = { status: statusCode, headers: header, data }
          if (statusCode < 400) success(raw)
          else fail({ ...raw, error: 19, errorMessage: 'http status error' })
        },
        fail: () => fail({ error: 12, errorMessage: 'network' }),
      }),
  }
  const auth = createTestAuth({ api: my as unknown as MiniProgramApi })
  await auth.request({ url: '/orders' })
  expect(gateway.to('/api/login')[0]?.json).toMatchObject({ code: 'alipay-code', appid: '2021000000000001' })
  gateway.expireAccessTokens()
  await auth.request({ url: '/orders' })
  expect(gateway.to('/api/refresh')).toHaveLength(1)
  phone.controls.offline = true
  expect((await failure(auth.request({ url: '/orders' }))).code).toBe('NETWORK')
  expect(createTestAuth({ api: my as unknown as MiniProgramApi }).user()?.user_id).toBe('u-1')
})

test('Douyin is logged in without its sign-in box unless the login is forced', async () => {
  const forced: (boolean | undefined)[] = []
  const { getAccountInfoSync: _, ...rest } = phone.wx
  const tt = {
    ...rest,
    login(given: { force?: boolean; success?(raw: { code: string }): void }) {
      forced.push(given.force)
      given.success?.({ code: forced.length === 1 ? '' : 'tt-code' })
    },
    getEnvInfoSync: () => ({ microapp: { appId: 'tt01' } }),
  }
  const auth = createTestAuth({ api: tt })
  expect((await failure(auth.request({ url: '/orders' }))).code).toBe('LOGIN_FAILED')
  await auth.login({ force: true })
  expect(forced).toEqual([false, true])
  expect(gateway.to('/api/login')[0]?.json.appid).toBe('tt01')
})

test('a platform that also answers by a promise, as Taro does, leaves no rejection unhandled', async () => {
  const unhandled: unknown[] = []
  const hear = (reason: unknown) => unhandled.push(reason)
  process.on('unhandledRejection', hear)
  const taro = {
    ...phone.wx,
    request(given: Parameters<typeof phone.wx.request>[0]) {
      return new Promise((resolve, reject) => {
        phone.wx.request({
          ...given,
          success: (raw) => {
            given.success?.(raw)
            resolve(raw)
          },
          fail: (raw) => {
            given.fail?.(raw)
            reject(raw)
          },
        })
      })
    },
  }
  const auth = createTestAuth({ api: taro })
  await auth.login()
  phone.controls.offline = true
  expect((await failure(auth.request({ url: '/orders' }))).code).toBe('NETWORK')
  await new Promise((resolve) => setTimeout(resolve, 10))
  process.off('unhandledRejection', hear)
  expect(unhandled).toEqual([])
})
