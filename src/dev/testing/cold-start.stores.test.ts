/** A program that starts cold with what WeChat fetched from the gateway beforehand: the SDK and GET /api/prefetch over real HTTP. */
import { createServer, type Server } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { createAuth, type MiniProgramApi } from '../../sdk/miniprogram/miniprogram.ts'
import { createFakeWx } from './fake-wx.ts'
import { APPID, startTestGateway, type TestGateway } from './test-gateway.ts'

type Phone = ReturnType<typeof createFakeWx>

let gateway: TestGateway
let server: Server
let url: string
/** The phone's requests, in order; WeChat's own are not among them. */
let asked: string[]
let phone: Phone
let person: string
let people = 0

beforeAll(async () => {
  gateway = await startTestGateway()
  const serve = getRequestListener(gateway.publicApp.fetch)
  server = createServer((request, response) => {
    const path = (request.url ?? '').split('?')[0] ?? ''
    if (request.headers.referer !== undefined) asked.push(`${request.method} ${path}`)
    void serve(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server has no port')
  url = `http://127.0.0.1:${address.port}`
})
afterAll(async () => {
  server.closeAllConnections()
  server.close()
  await gateway.close()
})
beforeEach(() => {
  asked = []
  person = `cold-${++people}`
  phone = createFakeWx({ appid: APPID, login: () => gateway.simulator.login(APPID, person) })
})
afterEach(() => phone.controls.close())

/** As WeChat asks beside the start, with a code of its own and the members that it adds; it keeps the reply as it comes. */
async function fetchedFor(who: string): Promise<string> {
  const code = gateway.simulator.login(APPID, who)
  const query = new URLSearchParams({
    appid: APPID,
    code,
    timestamp: '1',
    path: 'pages/index',
    query: '',
    scene: '1001',
  })
  return await (await fetch(`${url}/api/prefetch?${query}`)).text()
}

/** The program after it was killed: nothing in memory, the phone's storage, and what WeChat has for it. */
function coldStart(fetched: string | undefined, secondsLater = 0) {
  const getBackgroundFetchData: MiniProgramApi['getBackgroundFetchData'] = ({ success, fail }) =>
    void setImmediate(() =>
      fetched === undefined ? fail?.({ errMsg: 'getBackgroundFetchData:fail' }) : success?.({ fetchedData: fetched }),
    )
  const clock = { now: () => Date.now() + secondsLater * 1000, sleep: async () => undefined }
  return createAuth({ baseURL: url, api: { ...phone.wx, getBackgroundFetchData }, clock })
}
type Profile = { user_id: string }
const firstCall = (auth: ReturnType<typeof coldStart>) => auth.request<Profile>({ url: '/api/user' })

const userOf = async (who: string) => (await gateway.login(who)).body.data.user_id as string

test('the phone sends no request before its first call succeeds, and the session goes on by its own refresh', async () => {
  const profile = await firstCall(coldStart(await fetchedFor(person)))
  expect(profile.user_id).toBe(await userOf(person))
  expect([asked, phone.controls.counts.logins]).toEqual([['GET /api/user'], 0])
  // Killed again, and started when the access token has expired: what was prefetched was kept like any other login.
  asked = []
  expect((await firstCall(coldStart(undefined, 3600))).user_id).toBe(profile.user_id)
  expect([asked, phone.controls.counts.logins]).toEqual([['POST /api/refresh', 'GET /api/user'], 0])
})

test.each<[string, () => Promise<string | undefined>, number]>([
  ['data of a minute ago', () => fetchedFor(person), 61],
  ['no data', async () => undefined, 0],
  [
    'a refusal of the gateway',
    async () => await (await fetch(`${url}/api/prefetch?appid=${APPID}&code=made-up`)).text(),
    0,
  ],
])('with %s the SDK logs in as ever', async (_, make, secondsLater) => {
  const profile = await firstCall(coldStart(await make(), secondsLater))
  expect(profile.user_id).toBe(await userOf(person))
  expect([asked, phone.controls.counts.logins]).toEqual([['POST /api/login', 'GET /api/user'], 1])
})

test('with data of another person, where somebody was logged in, the SDK logs in as ever', async () => {
  const first = await firstCall(coldStart(undefined))
  const all = await gateway.call('DELETE', '/api/sessions?scope=all', {
    token: (await gateway.login(person)).body.data.token,
  })
  expect(all.status).toBe(200)
  asked = []
  const again = await firstCall(coldStart(await fetchedFor('somebody else')))
  expect(again.user_id).toBe(first.user_id)
  expect(asked.slice(-2)).toEqual(['POST /api/login', 'GET /api/user'])
  expect(phone.controls.counts.logins).toBe(2)
})
