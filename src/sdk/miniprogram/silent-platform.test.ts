/** Platform calls that never call back, and what the fuse says and counts. */
import type { Server } from 'node:http'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createFakeWx } from '../../dev/testing/fake-wx.ts'
import { startGateway } from '../../dev/testing/miniprogram.ts'
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

test.each(['login', 'request', 'checkSession'] as const)(
  'a %s that never calls back ends in an error of its own, and what comes after it goes on',
  async (name) => {
    const usual = phone.wx[name]
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    try {
      const api = { ...phone.wx, [name]: () => undefined } as MiniProgramApi
      const auth = createTestAuth({ api, timeoutMs: 1000 })
      const first = name === 'checkSession' ? auth.bindPhone({ detail: { encryptedData: 'x', iv: 'y' } }) : auth.login()
      const failed = failure(first)
      for (let turn = 0; turn < 8; turn += 1) {
        await vi.advanceTimersByTimeAsync(20_000)
        await new Promise((resolve) => setImmediate(resolve))
      }
      vi.useRealTimers()
      expect((await failed).code).toMatch(/^(LOGIN_FAILED|TIMEOUT|A0240)$/)
      Object.assign(api, { [name]: usual })
      clock.at += 60_000
      expect(await auth.login()).toMatchObject({ user_id: expect.any(String) })
    } finally {
      vi.useRealTimers()
    }
  },
)

test('sign-ins that a person asked for are not counted by the fuse, which says how many seconds are left', async () => {
  const auth = createTestAuth()
  for (let turn = 0; turn < 12; turn += 1) await auth.login({ force: true })
  for (let round = 0; round < 20; round++) {
    gateway.expireAccessTokens()
    await auth.request({ url: '/orders' }).catch(() => {})
  }
  const open = await failure(auth.request({ url: '/orders' }))
  expect(open).toMatchObject({ code: 'FUSE_OPEN', retryAfter: 10, msg: '操作过于频繁，请 10 秒后再试' })
  expect(await auth.login({ force: true })).toMatchObject({ user_id: expect.any(String) })
})
