/** Prefetch and tickets in the mini-program SDK, over real HTTP: a cold start in which the phone asks for nothing before its first call. */
import type { Server } from 'node:http'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createFakeWx } from '../../dev/testing/fake-wx.ts'
import { startGateway } from '../../dev/testing/miniprogram.ts'
import { createAuth, type MiniProgramApi } from './miniprogram.ts'

const APPID = 'wx0000000000000001'
const START = 1_800_000_000_000

let servers: Server[]
let gateway: Awaited<ReturnType<typeof startGateway>>
let phone: ReturnType<typeof createFakeWx>
let at: number
let asked: number
beforeEach(async () => {
  servers = []
  gateway = await startGateway(servers)
  phone = createFakeWx({ appid: APPID, login: () => `code-${Math.random()}` })
  at = START
  asked = 0
})
afterEach(() => {
  phone.controls.close()
  for (const server of servers) server.closeAllConnections()
  return Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
})

/** A program that starts cold, with what WeChat fetched for it. */
function coldStart(fetched: string | undefined) {
  const getBackgroundFetchData: MiniProgramApi['getBackgroundFetchData'] = ({ fetchType, success, fail }) => {
    asked += 1
    expect(fetchType).toBe('pre')
    setTimeout(() =>
      fetched === undefined ? fail?.({ errMsg: 'getBackgroundFetchData:fail' }) : success?.({ fetchedData: fetched }),
    )
  }
  const clock = { now: () => at, sleep: async () => undefined }
  return createAuth({ baseURL: gateway.url, api: { ...phone.wx, getBackgroundFetchData }, clock })
}

/** What WeChat has called and kept: the gateway's reply as it came. */
async function prefetched(data: Record<string, unknown> = {}): Promise<string> {
  const reply = await fetch(`${gateway.url}/api/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ code: `prefetch-${Math.random()}` }),
  })
  const body = (await reply.json()) as { data: object }
  gateway.seen.splice(0)
  return JSON.stringify({ ...body, data: { ...body.data, at: START / 1000, ...data } })
}

test('a cold start with prefetched tokens sends no request before its first call succeeds', async () => {
  const auth = coldStart(await prefetched())
  at += 5000
  const answer = await auth.request<{ path: string }>({ url: '/orders' })
  expect(answer.path).toBe('/orders')
  expect(gateway.seen.map(({ path }) => path)).toEqual(['/orders'])
  expect([phone.controls.counts.logins, asked]).toEqual([0, 1])
  expect(auth.user()).toMatchObject({ user_id: 'u-1' })
})

test('a prefetched token ends when it would have ended, and is renewed then by its own refresh token', async () => {
  const auth = coldStart(await prefetched({ expires_in: 100 }))
  at += 50_000
  await auth.login()
  at += 45_000
  await auth.request({ url: '/orders' })
  expect(gateway.seen.map(({ path }) => path)).toEqual(['/api/refresh', '/orders'])
})

test.each<[string, () => Promise<string | undefined>]>([
  ['none', async () => undefined],
  ['nothing', async () => ''],
  ['no JSON', async () => '<html>'],
  ['null', async () => 'null'],
  ['a refusal', async () => '{"code":"A0223","msg":"x","data":null}'],
  ['a login of a minute ago', () => prefetched({ at: START / 1000 - 60 })],
  ['a login from the future', () => prefetched({ at: START / 1000 + 61 })],
  ['no time', () => prefetched({ at: undefined })],
  ['no token', () => prefetched({ token: '' })],
  ['no refresh token', () => prefetched({ refresh_token: null })],
  ['a lifetime that is none', () => prefetched({ expires_in: 'soon' })],
])('with %s the program logs in as ever', async (_, make) => {
  const fetched = await make()
  await coldStart(fetched).request({ url: '/orders' })
  expect(gateway.seen.map(({ path }) => path)).toEqual(['/api/login', '/orders'])
  expect(phone.controls.counts.logins).toBe(1)
})

test('another person’s data are not taken where somebody was logged in', async () => {
  await coldStart(undefined).request({ url: '/orders' })
  gateway.endSessions()
  const fetched = await prefetched({ user_id: 'u-2' })
  const auth = coldStart(fetched)
  await auth.request({ url: '/orders' })
  expect(auth.user()?.user_id).toBe('u-1')
  expect(phone.controls.counts.logins).toBe(2)
})

test('where a session is kept nobody looks, and after a logout nobody looks again', async () => {
  await coldStart(undefined).request({ url: '/orders' })
  asked = 0
  const auth = coldStart(await prefetched())
  await auth.request({ url: '/orders' })
  expect(asked).toBe(0)
  phone.controls.disk.clear()
  const fresh = coldStart(await prefetched())
  await fresh.login()
  await fresh.logout()
  await fresh.login()
  expect([asked, gateway.to('/api/login').length]).toEqual([1, 1])
})

test('a ticket is asked for by the client that it is for, as the user', async () => {
  const auth = coldStart(undefined)
  await auth.ticket({ appid: 'h5' })
  const [sent] = gateway.to('/api/tickets')
  expect([sent?.method, sent?.json, sent?.headers.authorization]).toEqual([
    'POST',
    { appid: 'h5' },
    expect.stringMatching(/^Bearer /),
  ])
})

test('a token for what the SDK cannot send is good, and another one when it was refused', async () => {
  const auth = coldStart(undefined)
  const token = await auth.token()
  expect(await auth.token()).toBe(token)
  const renewed = await auth.token(token)
  expect(renewed).not.toBe(token)
  expect(gateway.to('/api/refresh')).toHaveLength(1)
})
