/** The simulated WeChat pushes to a gateway as the real one would: what a person takes back is gone. */
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { systemClock } from '../../server/clock.ts'
import { PUSH_KEY, PUSH_TOKEN, pushEnvironment } from '../testing/push.ts'
import { APP_SECRET, APPID, startTestGateway, type TestGateway } from '../testing/test-gateway.ts'
import { createWechatSimulator } from './wechat.ts'
import { createPushes } from './wechat-push.ts'

let gateway: TestGateway
let refuse = 0
const simulatorOf = (format: 'json' | 'xml') =>
  createWechatSimulator({
    apps: [{ appid: APPID, secret: APP_SECRET }],
    push: {
      ...{ url: 'https://auth.example.com/platform-events/wechat/{appid}', format },
      ...{ token: PUSH_TOKEN, encodingAesKey: PUSH_KEY },
    },
    fetch: async (url, init) =>
      refuse-- > 0 ? new Response('busy', { status: 500 }) : await gateway.publicApp.request(url, init),
  })
const simulator = simulatorOf('json')
beforeAll(async () => {
  gateway = await startTestGateway({ environment: pushEnvironment, simulator })
})
afterAll(() => gateway.close())

const control = async (path: string, body: object) => {
  const reply = await simulator.app.request(`/simulator${path}`, { method: 'POST', body: JSON.stringify(body) })
  return { status: reply.status, body: (await reply.json()) as Record<string, unknown> }
}
const profileOf = async (token: string) => (await gateway.call('GET', '/api/user', { token })).body

test('"withdraw phone" and "close account" reach the gateway, and are done', async () => {
  const { token } = (await gateway.login('leaver')).body.data
  await gateway.call('POST', '/api/user/phone', { token, body: { code: simulator.phoneCode(APPID, 'leaver') } })
  expect(await control('/handshake', {})).toEqual({ status: 200, body: { ok: true } })
  expect((await profileOf(token)).data.phone).not.toBeNull()
  refuse = 2
  const withdrawn = await control('/withdraw', { person: 'leaver', what: ['phone'] })
  expect(withdrawn).toMatchObject({ status: 200, body: { attempts: 3, status: 200, answer: 'success' } })
  await vi.waitFor(async () => expect((await profileOf(token)).data.phone).toBeNull(), { timeout: 5000 })
  expect((await control('/close-account', { person: 'leaver' })).body).toMatchObject({ attempts: 1, answer: 'success' })
  await vi.waitFor(async () => expect((await profileOf(token)).code).toBe('A0203'), { timeout: 5000 })
})

test('in XML as well, and any event at all', async () => {
  const { token } = (await gateway.login('xml person')).body.data
  await gateway.call('PATCH', '/api/user', { token, body: { email: 'x@example.com', address: 'x' } })
  const xml = simulatorOf('xml')
  expect((await xml.withdraw(APPID, 'xml person', ['email', 'address'])).answer).toBe('success')
  await vi.waitFor(async () => expect((await profileOf(token)).data).toMatchObject({ email: null, address: null }), {
    timeout: 5000,
  })
  expect((await control('/push', { event: { Event: 'wxa_media_check' } })).body).toMatchObject({ answer: 'success' })
})

test('three answers that are not "success" are enough, and without a URL nothing is pushed', async () => {
  refuse = 3
  expect(await simulator.closeAccount(APPID, 'nobody')).toMatchObject({ attempts: 3, status: 500 })
  const bare = createWechatSimulator({ apps: [{ appid: APPID, secret: APP_SECRET }] })
  const reply = await bare.app.request('/simulator/close-account', { method: 'POST', body: '{"person":"x"}' })
  expect([reply.status, await reply.text()]).toEqual([409, expect.stringContaining('--push-url')])
  const openidOf = () => 'o'
  await expect(createPushes({ target: undefined, openidOf, clock: systemClock }).push(APPID, {})).rejects.toThrow(
    '--push-url',
  )
})
