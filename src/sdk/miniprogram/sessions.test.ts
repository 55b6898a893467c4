/** Logins that are forced, logouts, and who is told of them. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { APPID, failure, openSdkTest, type SdkTest } from '../../dev/testing/sdk-phone.ts'

let sdk: SdkTest
beforeEach(async () => {
  sdk = await openSdkTest()
})
afterEach(() => sdk.close())

test('a forced login ends the session that it replaces, and a double tap makes one', async () => {
  const auth = sdk.createAuth()
  await auth.login()
  await Promise.all([auth.login({ force: true }), auth.login({ force: true })])
  expect(sdk.gateway.to('/api/login')).toHaveLength(2)
  await expect.poll(() => sdk.gateway.to('/api/logout').map(({ json }) => json.refresh_token)).toEqual(['s1.0'])
})

test('an empty device sends none', async () => {
  await sdk.createAuth({ device: '' }).login()
  expect(sdk.gateway.to('/api/login')[0]?.json).toEqual({ code: 'code-1', appid: APPID })
})

test('login sends the old client’s userinfo along', async () => {
  await sdk.createAuth().login({ userinfo: { nickName: '小明' } })
  expect(sdk.gateway.to('/api/login')[0]?.json.userinfo).toEqual({ nickName: '小明' })
  expect(sdk.gateway.to('/api/login')[0]?.json).not.toHaveProperty('force')
})

test('a logout ends the session and lasts, over a cold start too, until an explicit login', async () => {
  const auth = sdk.createAuth()
  await auth.login()
  await auth.logout()
  expect(sdk.gateway.to('/api/logout')[0]?.json).toEqual({ refresh_token: 's1.0' })
  expect(auth.user()).toBeNull()
  expect((await failure(auth.request({ url: '/orders' }))).code).toBe('LOGGED_OUT')
  const started = sdk.createAuth()
  expect((await failure(started.request({ url: '/orders' }))).code).toBe('LOGGED_OUT')
  expect(sdk.gateway.to('/api/login')).toHaveLength(1)
  await started.login()
  await started.request({ url: '/orders' })
  expect(sdk.gateway.to('/api/login')).toHaveLength(2)
})

test('preparing for encrypted data is no login: it neither undoes a logout nor asks about a suspended user again', async () => {
  const auth = sdk.createAuth()
  await auth.login()
  await auth.logout()
  sdk.phone.controls.sessionKeyExpired = true
  expect((await failure(auth.prepareEncryptedData())).code).toBe('LOGGED_OUT')
  expect((await failure(sdk.createAuth().prepareEncryptedData())).code).toBe('LOGGED_OUT')
  expect(sdk.gateway.to('/api/login')).toHaveLength(1)
  sdk.gateway.answerNext('/api/login', { status: 403, code: 'A0202' })
  expect((await failure(auth.login())).code).toBe('A0202')
  sdk.phone.controls.sessionKeyExpired = true
  expect((await failure(auth.prepareEncryptedData())).code).toBe('A0202')
  expect(sdk.gateway.to('/api/login')).toHaveLength(2)
})

test('a logout while offline still forgets the tokens', async () => {
  const auth = sdk.createAuth()
  await auth.login()
  sdk.phone.controls.offline = true
  await auth.logout()
  expect(auth.user()).toBeNull()
  expect([...sdk.phone.controls.disk.values()].join()).not.toContain('access-')
})

test('a login reply that arrives after a logout is turned away, and its session ended', async () => {
  const auth = sdk.createAuth()
  const waiting = failure(auth.request({ url: '/orders' }))
  await expect.poll(() => sdk.phone.controls.counts.logins).toBe(1)
  await auth.logout()
  expect((await waiting).code).toBe('LOGGED_OUT')
  expect(auth.user()).toBeNull()
  await expect.poll(() => sdk.gateway.to('/api/logout').map(({ json }) => json.refresh_token)).toEqual(['s1.0'])
})

test('listeners hear of sign-in and sign-out, not of refreshes, and a listener’s mistake harms nobody', async () => {
  const auth = sdk.createAuth()
  const heard: (string | null)[] = []
  const stop = auth.onChange((user) => heard.push(user?.user_id ?? null))
  await auth.login()
  sdk.gateway.expireAccessTokens()
  await auth.request({ url: '/orders' })
  await auth.logout()
  stop()
  await auth.login()
  await new Promise((resolve) => setImmediate(resolve))
  expect(heard).toEqual(['u-1', null])
})
