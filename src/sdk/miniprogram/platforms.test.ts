/** The mini-program SDK on the globals of other platforms. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { failure, openSdkTest, type SdkTest } from '../../dev/testing/sdk-phone.ts'
import type { MiniProgramApi } from './miniprogram.ts'

let sdk: SdkTest
beforeEach(async () => {
  sdk = await openSdkTest()
})
afterEach(() => sdk.close())

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
      sdk.phone.wx.request({
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
  const auth = sdk.createAuth({ api: my as unknown as MiniProgramApi })
  await auth.request({ url: '/orders' })
  expect(sdk.gateway.to('/api/login')[0]?.json).toMatchObject({ code: 'alipay-code', appid: '2021000000000001' })
  sdk.gateway.expireAccessTokens()
  await auth.request({ url: '/orders' })
  expect(sdk.gateway.to('/api/refresh')).toHaveLength(1)
  sdk.phone.controls.offline = true
  expect((await failure(auth.request({ url: '/orders' }))).code).toBe('NETWORK')
  expect(sdk.createAuth({ api: my as unknown as MiniProgramApi }).user()?.user_id).toBe('u-1')
})

test('Douyin is logged in without its sign-in box unless the login is forced', async () => {
  const forced: (boolean | undefined)[] = []
  const { getAccountInfoSync: _, ...rest } = sdk.phone.wx
  const tt = {
    ...rest,
    login(given: { force?: boolean; success?(raw: { code: string }): void }) {
      forced.push(given.force)
      given.success?.({ code: forced.length === 1 ? '' : 'tt-code' })
    },
    getEnvInfoSync: () => ({ microapp: { appId: 'tt01' } }),
  }
  const auth = sdk.createAuth({ api: tt })
  expect((await failure(auth.request({ url: '/orders' }))).code).toBe('LOGIN_FAILED')
  await auth.login({ force: true })
  expect(forced).toEqual([false, true])
  expect(sdk.gateway.to('/api/login')[0]?.json.appid).toBe('tt01')
})

test('a platform that also answers by a promise, as Taro does, leaves no rejection unhandled', async () => {
  const unhandled: unknown[] = []
  const hear = (reason: unknown) => unhandled.push(reason)
  process.on('unhandledRejection', hear)
  const taro = {
    ...sdk.phone.wx,
    request(given: Parameters<typeof sdk.phone.wx.request>[0]) {
      return new Promise((resolve, reject) => {
        sdk.phone.wx.request({
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
  const auth = sdk.createAuth({ api: taro })
  await auth.login()
  sdk.phone.controls.offline = true
  expect((await failure(auth.request({ url: '/orders' }))).code).toBe('NETWORK')
  await new Promise((resolve) => setTimeout(resolve, 10))
  process.off('unhandledRejection', hear)
  expect(unhandled).toEqual([])
})
