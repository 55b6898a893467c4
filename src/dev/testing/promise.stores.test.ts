/** The whole promise: the mini-program SDK on a phone, the gateway, and a business server that trusts nothing but the verifier SDK, over real HTTP. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Hono } from 'hono'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { type Auth, createAuth } from '../../sdk/miniprogram/miniprogram.ts'
import type { ErasureReceipt, Profile, SessionItem, UserExport } from '../../sdk/miniprogram/wire.ts'
import { honoAuth } from '../../sdk/verifier/middleware.ts'
import { type AccessTokenClaims, createVerifier, type Verifier } from '../../sdk/verifier/verifier.ts'
import { type Listener, listen } from '../../server/serve/listeners.ts'
import { createFakeWx } from './fake-wx.ts'
import { picture } from './pictures.ts'
import { APPID, startTestGateway, type TestGateway } from './test-gateway.ts'

const ISSUER = 'https://auth.example.com'
/** The contract: an ended session is refused within the `ttl` of its list and five seconds. */
const TTL_SECONDS = 1
const refusedWithin = { timeout: (TTL_SECONDS + 5) * 1000, interval: 50 }

type Order = { sub: string; sid: string }
type Phone = ReturnType<typeof createFakeWx> & { auth: Auth; order(): Promise<Order>; token(): string }

let gateway: TestGateway
let listener: Listener
let business: Listener
let verifier: Verifier
let folder: string
let png: Uint8Array
/** How far the servers' time is ahead of the phone's. */
let aheadMs = 0
/** What the business server has asked of the gateway. */
const asked = new Set<string>()
const phones: Phone[] = []

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'promise-'))
  png = await picture({ width: 700, height: 300 }).png().toBuffer()
  const now = () => new Date(Date.now() + aheadMs)
  gateway = await startTestGateway({
    clock: { now },
    environment: { STATUS_LIST_TTL_SECONDS: String(TTL_SECONDS), AVATAR_STORE: pathToFileURL(folder).href },
  })
  listener = await listen(gateway.publicApp, { host: '127.0.0.1', port: 0 })
  verifier = createVerifier({
    issuer: ISSUER,
    audience: ISSUER,
    baseUrl: listener.url,
    now,
    fetch: (input, init) => {
      asked.add(new URL(String(input)).pathname)
      return fetch(input, init)
    },
  })
  await verifier.ready()
  const app = new Hono<{ Variables: { auth: AccessTokenClaims } }>()
  app.use(honoAuth(verifier))
  app.get('/orders', (c) => c.json({ sub: c.get('auth').sub, sid: c.get('auth').sid } satisfies Order))
  business = await listen(app, { host: '127.0.0.1', port: 0 })
})

afterAll(async () => {
  for (const { controls } of phones) controls.close()
  verifier.close()
  await Promise.all([listener.close(100), business.close(100)])
  await gateway.close()
  await rm(folder, { recursive: true })
})

function phoneOf(person: string, model = 'iPhone 15'): Phone {
  const login = () => gateway.simulator.login(APPID, person)
  const fake = createFakeWx({ appid: APPID, login, model, files: { 'http://tmp/a.png': png } })
  const auth = createAuth({ baseURL: listener.url, audiences: [business.url], api: fake.wx })
  const phone: Phone = {
    ...fake,
    auth,
    order: () => auth.request<Order>({ url: `${business.url}/orders` }),
    token: () => JSON.parse([...fake.controls.disk.values()][0] ?? '{}').token,
  }
  phones.push(phone)
  return phone
}

async function refreshes(): Promise<number> {
  const { values } = await gateway.metrics.refreshes.get()
  return values.reduce((sum, { value }) => sum + value, 0)
}

const isRefused = (token: string) =>
  vi.waitFor(
    () => expect(verifier.verify(token)).rejects.toMatchObject({ code: 'session_ended', status: 401 }),
    refusedWithin,
  )

test('the first request of a page logs in silently, and the business server knows the user', async () => {
  const { auth, order, controls } = phoneOf('alice')
  const [first, second] = await Promise.all([order(), order()])
  expect(first).toEqual(second)
  expect(first.sub).toBe(auth.user()?.user_id)
  expect(auth.user()).toMatchObject({ is_new_user: true })
  expect(controls.counts.logins).toBe(1)
  expect((await auth.request<Profile>({ url: '/api/user' })).user_id).toBe(first.sub)
})

test('fifty requests whose token has expired cost one refresh, and all succeed in the same session', async () => {
  const { order, controls } = phoneOf('parallel')
  const { sid } = await order()
  aheadMs += 910_000
  const before = await refreshes()
  const orders = await Promise.all(Array.from({ length: 50 }, order))
  expect(new Set(orders.map((each) => each.sid))).toEqual(new Set([sid]))
  expect((await refreshes()) - before).toBe(1)
  expect(controls.counts.logins).toBe(1)
})

test('a refresh whose reply is lost on the way costs the user nothing, not even the session', async () => {
  const { order, controls } = phoneOf('tunnel')
  const { sid } = await order()
  aheadMs += 910_000
  const before = await refreshes()
  controls.loseReply('/api/refresh')
  expect((await order()).sid).toBe(sid)
  expect((await refreshes()) - before).toBe(2)
  aheadMs += 910_000
  expect((await order()).sid).toBe(sid)
  expect(controls.counts.logins).toBe(1)
})

test('a profile is changed although wx.request knows no PATCH, and a wrong field is named', async () => {
  const { auth } = phoneOf('editor')
  const change = (data: object) => auth.request<Profile>({ url: '/api/user', method: 'PATCH', data })
  expect(await change({ nickname: '小明', birthday: '1990-12-31' })).toMatchObject({ nickname: '小明' })
  await expect(change({ birthday: 'tomorrow' })).rejects.toMatchObject({
    code: 'A0400',
    statusCode: 400,
    fields: { birthday: expect.any(String) },
  })
  expect(await auth.request({ url: '/api/user' })).toMatchObject({ nickname: '小明', birthday: '1990-12-31' })
})

test('a picture is uploaded from the phone and served to whoever sees the profile', async () => {
  const { auth } = phoneOf('photographer')
  const { avatar } = await auth.upload({ filePath: 'http://tmp/a.png' })
  expect(avatar).toMatch(`${ISSUER}/avatars/`)
  const served = await fetch(listener.url + new URL(avatar ?? '').pathname)
  expect([served.status, served.headers.get('content-type')]).toEqual([200, 'image/webp'])
  expect((await fetch(`${listener.url}/avatars/2026/01/nothing.webp`)).status).toBe(404)
})

test('the phone button puts the number into the profile, by its code and by encrypted data', async () => {
  const { auth } = phoneOf('caller')
  await auth.prepareEncryptedData()
  const code = gateway.simulator.phoneCode(APPID, 'caller', '13800000001')
  expect(await auth.bindPhone({ detail: { code } })).toMatchObject({ phone: '+8613800000001' })
  const encrypted = gateway.simulator.phoneData(APPID, 'caller', { phone: '13800000002' })
  expect(await auth.bindPhone({ detail: encrypted })).toMatchObject({ phone: '+8613800000002' })
})

test("another person's phone code is refused, and a number moves to the person who proved it last", async () => {
  const owner = phoneOf('owner')
  const number = (person: string) => gateway.simulator.phoneCode(APPID, person, '13800000003')
  await owner.auth.bindPhone({ detail: { code: number('owner') } })
  const { auth } = phoneOf('newcomer')
  await expect(auth.bindPhone({ detail: { code: number('owner') } })).rejects.toMatchObject({ code: 'A0312' })
  expect(await owner.auth.request({ url: '/api/user' })).toMatchObject({ phone: '+8613800000003' })
  expect(await auth.bindPhone({ detail: { code: number('newcomer') } })).toMatchObject({ phone: '+8613800000003' })
  expect(await owner.auth.request({ url: '/api/user' })).toMatchObject({ phone: null })
})

test('a user sees both phones, ends the session of the lost one, and only that one is refused', async () => {
  const [kept, lost] = [phoneOf('loser', 'Kept'), phoneOf('loser', 'Lost')]
  expect((await kept.order()).sub).toBe((await lost.order()).sub)
  const token = lost.token()
  const sessions = await kept.auth.request<SessionItem[]>({ url: '/api/sessions' })
  expect(sessions.map(({ device, current }) => [device, current]).sort()).toEqual([
    ['Kept', true],
    ['Lost', false],
  ])
  const { sid } = sessions.find(({ device }) => device === 'Lost') ?? {}
  await kept.auth.request({ url: `/api/sessions/${sid}`, method: 'DELETE' })
  await isRefused(token)
  expect((await kept.order()).sub).toBe(kept.auth.user()?.user_id)
})

test('after logout the token is refused, no request logs in again, and login() brings the same user back', async () => {
  const { auth, order, token } = phoneOf('leaver')
  const { sub } = await order()
  const old = token()
  await auth.logout()
  expect(auth.user()).toBeNull()
  await isRefused(old)
  await expect(order()).rejects.toMatchObject({ code: 'LOGGED_OUT' })
  expect(await auth.login()).toMatchObject({ user_id: sub, is_new_user: false })
  expect((await order()).sub).toBe(sub)
})

test('a user takes a copy along, deletes the account, is refused, and comes back as somebody new', async () => {
  const { auth, order, token } = phoneOf('quitter')
  const { sub } = await order()
  const old = token()
  const copy = await auth.request<UserExport>({ url: '/api/user/export' })
  expect(copy).toMatchObject({
    profile: { user_id: sub },
    identities: [{ appid: APPID }],
    sessions: [{ ip: '127.0.0.1' }],
  })
  const erase = (person: string) =>
    auth.request<ErasureReceipt>({
      url: '/api/user',
      method: 'DELETE',
      data: { code: gateway.simulator.login(APPID, person) },
    })
  await phoneOf('bystander').order()
  await expect(erase('bystander')).rejects.toMatchObject({ code: 'A0312' })
  expect(await erase('quitter')).toMatchObject({ user_id: sub, sessions_ended: 1 })
  await isRefused(old)
  await expect(order()).rejects.toMatchObject({ code: 'LOGGED_OUT' })
  const again = await auth.login()
  expect(again.is_new_user).toBe(true)
  expect(again.user_id).not.toBe(sub)
  expect((await order()).sub).toBe(again.user_id)
})

test('the business server asked the gateway for nothing but documents, and the gateway logged no defect', async () => {
  expect([...asked].sort()).toEqual([
    '/.well-known/jwks.json',
    '/.well-known/openid-configuration',
    '/status-lists',
    '/status-lists/0',
  ])
  expect(verifier.state()).toMatchObject({ usable: true, keys: { failing: false } })
  expect(gateway.logs()).not.toContain('ALERT')
})
