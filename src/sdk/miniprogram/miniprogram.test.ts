/** Logging in and renewing by the mini-program SDK over real HTTP, with a faithful `wx` and a small server that keeps the contract's promises. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { APPID, failure, openSdkTest, type SdkTest } from '../../dev/testing/sdk-phone.ts'
import { createAuth } from './miniprogram.ts'

let sdk: SdkTest
beforeEach(async () => {
  sdk = await openSdkTest()
})
afterEach(() => sdk.close())

test('the first request that needs a session logs in silently, however many requests wait for it', async () => {
  const auth = sdk.createAuth({ device: 'test phone' })
  expect(auth.user()).toBeNull()
  await Promise.all(Array.from({ length: 50 }, (_, index) => auth.request({ url: `/orders/${index}` })))
  expect(sdk.gateway.to('/api/login')).toHaveLength(1)
  expect(sdk.gateway.to('/api/login')[0]?.json).toEqual({ code: 'code-1', appid: APPID, device: 'test phone' })
  expect(auth.user()).toEqual({ user_id: 'u-1', nickname: null, is_new_user: true })
  expect(sdk.phone.controls.counts.mostConcurrent).toBe(10)
})

test('the platform is not touched before it is needed, and its absence is an error with a name', async () => {
  const auth = createAuth({ baseURL: sdk.gateway.url })
  expect((await failure(auth.request({ url: '/orders' }))).code).toBe('NO_PLATFORM')
})

test('50 parallel requests with an expired token make one refresh, and each is repeated once', async () => {
  const auth = sdk.createAuth()
  await auth.login()
  sdk.gateway.expireAccessTokens()
  const orders = Array.from({ length: 50 }, (_, index) => auth.request<{ path: string }>({ url: `/orders/${index}` }))
  const paths = (await Promise.all(orders)).map(({ path }) => path)
  expect(paths).toEqual(Array.from({ length: 50 }, (_, index) => `/orders/${index}`))
  expect(sdk.gateway.to('/api/refresh')).toHaveLength(1)
  expect(sdk.gateway.to('/api/login')).toHaveLength(1)
  for (let index = 0; index < 50; index++) expect(sdk.gateway.to(`/orders/${index}`).length).toBeLessThanOrEqual(2)
})

test('a token that is refused again after the refresh is an error, not a loop', async () => {
  const auth = sdk.createAuth()
  await auth.login()
  sdk.gateway.answerNext('/orders', { status: 401, code: 'A0230' })
  sdk.gateway.answerNext('/orders', { status: 401, code: 'A0230' })
  expect(await failure(auth.request({ url: '/orders' }))).toMatchObject({
    code: 'A0230',
    statusCode: 401,
    requestId: 'req-1',
  })
  expect(sdk.gateway.to('/orders')).toHaveLength(2)
})

test('only a request turned away by the check of its token is repeated', async () => {
  const auth = sdk.createAuth()
  await auth.login()
  for (const reply of [
    { status: 401, code: 'A0223' },
    { status: 403, code: 'A0312' },
    { status: 500, code: 'B0001' },
    { status: 503, code: 'B0320', headers: { 'Retry-After': '1' } },
  ]) {
    const before = sdk.gateway.to('/pay').length
    sdk.gateway.answerNext('/pay', reply)
    expect((await failure(auth.request({ url: '/pay', method: 'POST', data: { amount: 1 } }))).code).toBe(reply.code)
    expect(sdk.gateway.to('/pay').length - before).toBe(1)
  }
  sdk.phone.controls.loseReply('/orders')
  expect((await failure(auth.request({ url: '/orders' }))).code).toBe('NETWORK')
  expect(sdk.gateway.to('/orders')).toHaveLength(1)
  sdk.phone.controls.loseReply('/pay')
  const before = sdk.gateway.to('/pay').length
  expect((await failure(auth.request({ url: '/pay', method: 'POST' }))).code).toBe('NETWORK')
  expect(sdk.gateway.to('/pay').length - before).toBe(1)
  expect(sdk.gateway.to('/api/refresh')).toHaveLength(0)
})

test('a lost refresh reply is survived: the same refresh token is sent again', async () => {
  const auth = sdk.createAuth()
  await auth.login()
  sdk.gateway.expireAccessTokens()
  sdk.phone.controls.loseReply('/api/refresh')
  await auth.request({ url: '/orders' })
  expect(sdk.gateway.to('/api/refresh').map(({ json }) => json.refresh_token)).toEqual(['s1.0', 's1.0'])
  expect(sdk.gateway.to('/api/login')).toHaveLength(1)
})

test('a lost login reply is survived: the same code is sent again, and WeChat is asked for one code', async () => {
  const auth = sdk.createAuth()
  sdk.phone.controls.loseReply('/api/login')
  await auth.login()
  expect(sdk.gateway.to('/api/login').map(({ json }) => json.code)).toEqual(['code-1', 'code-1'])
  expect(sdk.phone.controls.counts.logins).toBe(1)
})

test('a refresh token that has died, or was replayed, ends in a silent login', async () => {
  for (const code of ['A0230', 'A0220']) {
    const auth = sdk.createAuth()
    await auth.login()
    const logins = sdk.gateway.to('/api/login').length
    sdk.gateway.expireAccessTokens()
    sdk.gateway.answerNext('/api/refresh', { status: 401, code })
    await auth.request({ url: '/orders' })
    expect(sdk.gateway.to('/api/login').length - logins).toBe(1)
  }
})

test('a refused login code is replaced once, and only once', async () => {
  const auth = sdk.createAuth()
  sdk.gateway.answerNext('/api/login', { status: 401, code: 'A0223' })
  await auth.login()
  expect(sdk.gateway.to('/api/login').map(({ json }) => json.code)).toEqual(['code-1', 'code-2'])

  sdk.gateway.answerNext('/api/login', { status: 401, code: 'A0223' })
  sdk.gateway.answerNext('/api/login', { status: 401, code: 'A0223' })
  expect((await failure(auth.login({ force: true }))).code).toBe('A0223')
  expect(sdk.gateway.to('/api/login')).toHaveLength(4)

  sdk.gateway.answerNext('/api/login', { status: 401, code: 'A0223' })
  expect((await failure(auth.login({ code: 'mine', encryptedData: 'x', iv: 'y' }))).code).toBe('A0223')
  expect(sdk.gateway.to('/api/login')).toHaveLength(5)
})

test('a suspended, erased or blocked user is told so once, and no request asks again until an explicit login', async () => {
  for (const code of ['A0202', 'A0203', 'A0321']) {
    const auth = sdk.createAuth({ appid: code })
    sdk.gateway.answerNext('/api/login', { status: 403, code })
    const before = sdk.gateway.seen.length
    expect((await failure(auth.request({ url: '/orders' }))).code).toBe(code)
    expect((await failure(auth.request({ url: '/orders' }))).code).toBe(code)
    expect(sdk.gateway.seen.length - before).toBe(1)
    expect((await auth.login()).user_id).toBe('u-1')
  }
})

test('offline requests fail plainly, and the first one after is served without a new login', async () => {
  const auth = sdk.createAuth()
  await auth.login()
  sdk.clock.at += 16 * 60_000
  sdk.phone.controls.offline = true
  for (let index = 0; index < 6; index++) {
    expect((await failure(auth.request({ url: '/orders' }))).code).toBe('NETWORK')
  }
  sdk.phone.controls.offline = false
  await auth.request({ url: '/orders' })
  expect(sdk.gateway.to('/api/login')).toHaveLength(1)
  expect(sdk.gateway.to('/api/refresh')).toHaveLength(1)
})

test('a token is renewed a minute before its end, by the time since it arrived and never by the date', async () => {
  const auth = sdk.createAuth()
  sdk.clock.at = 0
  await auth.login()
  sdk.clock.at += 839_000
  await auth.request({ url: '/orders' })
  expect(sdk.gateway.to('/api/refresh')).toHaveLength(0)
  sdk.clock.at += 2_000
  await auth.request({ url: '/orders' })
  expect(sdk.gateway.to('/api/refresh')).toHaveLength(1)
})

test('a phone whose clock is set back renews its token instead of trusting it for too long', async () => {
  const auth = sdk.createAuth()
  await auth.login()
  sdk.clock.at -= 86_400_000
  await auth.request({ url: '/orders' })
  expect(sdk.gateway.to('/api/refresh')).toHaveLength(1)
})

test('when an early renewal fails for the moment, the old token serves its last minute', async () => {
  const auth = sdk.createAuth()
  await auth.login()
  sdk.clock.at += 850_000
  for (let tries = 0; tries < 3; tries++) sdk.gateway.answerNext('/api/refresh', { status: 503, code: 'B0320' })
  expect(await auth.request({ url: '/orders' })).toMatchObject({ path: '/orders' })
})

test('a cold start goes on with the tokens in storage', async () => {
  await sdk.createAuth().login()
  const started = sdk.createAuth()
  expect(started.user()?.user_id).toBe('u-1')
  await started.request({ url: '/orders' })
  expect(sdk.gateway.to('/api/login')).toHaveLength(1)
  expect(sdk.gateway.to('/api/refresh')).toHaveLength(0)
})

test('storage is kept apart by gateway and appid', async () => {
  await sdk.createAuth().login()
  expect([...sdk.phone.controls.disk.keys()]).toEqual([`auth:${sdk.gateway.url}:${APPID}`])
  expect(sdk.createAuth({ appid: 'wx-other' }).user()).toBeNull()
  expect(sdk.createAuth({ baseURL: `${sdk.gateway.url}/other` }).user()).toBeNull()
})

test('what lies in storage may be anything, and at worst costs a login', async () => {
  for (const rubbish of ['"text"', '42', 'null', '[]', '{}', '{"refresh_token":"forged"}', 'not json']) {
    sdk.phone.controls.disk.set(`auth:${sdk.gateway.url}:${APPID}`, rubbish)
    const auth = sdk.createAuth()
    expect(await auth.request({ url: '/orders' })).toMatchObject({ path: '/orders' })
  }
})

test('where storage is refused the tokens live in memory, and no old refresh token is left behind', async () => {
  const auth = sdk.createAuth()
  await auth.login()
  expect(sdk.phone.controls.disk.size).toBe(1)
  sdk.phone.controls.refuseStorage = true
  for (let round = 0; round < 3; round++) {
    sdk.clock.at += 15 * 60_000
    await auth.request({ url: '/orders' })
  }
  expect(sdk.gateway.to('/api/refresh').map(({ json }) => json.refresh_token)).toEqual(['s1.0', 's1.1', 's1.2'])
  expect(sdk.phone.controls.disk.size).toBe(0)
})

test('two copies of the SDK share one session: what one has renewed the other takes over', async () => {
  const [one, two] = [sdk.createAuth(), sdk.createAuth()]
  await one.login()
  await two.request({ url: '/orders' })
  for (let round = 0; round < 3; round++) {
    sdk.clock.at += 15 * 60_000
    await one.request({ url: '/orders' })
    await two.request({ url: '/orders' })
  }
  expect(sdk.gateway.to('/api/login')).toHaveLength(1)
  expect(sdk.gateway.to('/api/refresh')).toHaveLength(3)
})

test('two copies of the SDK that renew at the same moment both go on', async () => {
  const [one, two] = [sdk.createAuth(), sdk.createAuth()]
  await one.login()
  await two.request({ url: '/orders' })
  sdk.gateway.expireAccessTokens()
  await Promise.all([one.request({ url: '/orders' }), two.request({ url: '/orders' })])
  sdk.clock.at += 15 * 60_000
  await two.request({ url: '/orders' })
  await one.request({ url: '/orders' })
  expect(sdk.gateway.to('/api/login')).toHaveLength(1)
})

test('the fuse opens when fresh tokens keep being refused, lets one trial through after its pause, and closes again', async () => {
  const auth = sdk.createAuth()
  await auth.login()
  for (let round = 0; round < 20; round++) {
    sdk.gateway.expireAccessTokens()
    await auth.request({ url: '/orders' }).catch(() => {})
  }
  const renewals = () => sdk.gateway.to('/api/refresh').length + sdk.gateway.to('/api/login').length
  expect(renewals()).toBe(4)
  const open = await failure(auth.request({ url: '/orders' }))
  expect(open).toMatchObject({ code: 'FUSE_OPEN', retryAfter: 10 })

  sdk.clock.at += 10_000
  await auth.request({ url: '/orders' })
  expect(renewals()).toBe(5)
  sdk.gateway.expireAccessTokens()
  expect((await failure(auth.request({ url: '/orders' }))).code).toBe('FUSE_OPEN')

  sdk.clock.at += 60_000
  for (let round = 0; round < 3; round++) {
    sdk.gateway.expireAccessTokens()
    await auth.request({ url: '/orders' })
  }
  expect(renewals()).toBe(8)
})

test('a server that asks for patience is not asked again before, by any request', async () => {
  const auth = sdk.createAuth()
  sdk.gateway.answerNext('/api/login', { status: 429, code: 'A0501', headers: { 'Retry-After': '60' } })
  expect(await failure(auth.request({ url: '/orders' }))).toMatchObject({ code: 'A0501', retryAfter: 60 })
  sdk.clock.at += 20_000
  expect(await failure(auth.request({ url: '/orders' }))).toMatchObject({ code: 'A0501', retryAfter: 40 })
  expect(sdk.gateway.seen).toHaveLength(1)
  sdk.clock.at += 40_001
  await auth.request({ url: '/orders' })
})

test('a short Retry-After is waited for, a bounded number of times', async () => {
  const auth = sdk.createAuth()
  await auth.login()
  for (let tries = 0; tries < 5; tries++) {
    sdk.gateway.answerNext('/orders', { status: 503, code: 'B0210', headers: { 'Retry-After': '2' } })
  }
  expect((await failure(auth.request({ url: '/orders' }))).code).toBe('B0210')
  expect(sdk.gateway.to('/orders')).toHaveLength(3)
  for (const ms of sdk.clock.slept) expect(ms).toBeGreaterThanOrEqual(2000)
})
