/** Platform calls that never call back, and what the fuse says and counts. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { failure, openSdkTest, type SdkTest } from '../../dev/testing/sdk-phone.ts'
import type { MiniProgramApi } from './miniprogram.ts'

let sdk: SdkTest
beforeEach(async () => {
  sdk = await openSdkTest()
})
afterEach(() => sdk.close())

test.each(['login', 'request', 'checkSession'] as const)(
  'a %s that never calls back ends in an error of its own, and what comes after it goes on',
  async (name) => {
    const usual = sdk.phone.wx[name]
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    try {
      const api = { ...sdk.phone.wx, [name]: () => undefined } as MiniProgramApi
      const auth = sdk.createAuth({ api, timeoutMs: 1000 })
      const first = name === 'checkSession' ? auth.bindPhone({ detail: { encryptedData: 'x', iv: 'y' } }) : auth.login()
      const failed = failure(first)
      for (let turn = 0; turn < 8; turn += 1) {
        await vi.advanceTimersByTimeAsync(20_000)
        await new Promise((resolve) => setImmediate(resolve))
      }
      vi.useRealTimers()
      expect((await failed).code).toMatch(/^(LOGIN_FAILED|TIMEOUT|A0240)$/)
      Object.assign(api, { [name]: usual })
      sdk.clock.at += 60_000
      expect(await auth.login()).toMatchObject({ user_id: expect.any(String) })
    } finally {
      vi.useRealTimers()
    }
  },
)

test('sign-ins that a person asked for are not counted by the fuse, which says how many seconds are left', async () => {
  const auth = sdk.createAuth()
  for (let turn = 0; turn < 12; turn += 1) await auth.login({ force: true })
  for (let round = 0; round < 20; round++) {
    sdk.gateway.expireAccessTokens()
    await auth.request({ url: '/orders' }).catch(() => {})
  }
  const open = await failure(auth.request({ url: '/orders' }))
  expect(open).toMatchObject({ code: 'FUSE_OPEN', retryAfter: 10, msg: '操作过于频繁，请 10 秒后再试' })
  expect(await auth.login({ force: true })).toMatchObject({ user_id: expect.any(String) })
})
