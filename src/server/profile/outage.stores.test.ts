/** What of the profile goes on while Redis is away (contract section 8), on the embedded stores and on the real ones. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createAwayCache } from '../../dev/testing/away-cache.ts'
import { APPID, startTestGateway, type TestGateway } from '../../dev/testing/test-gateway.ts'

const SERVICE = 'a secret of the service that opens data'.replaceAll(' ', '-')

let gateway: TestGateway
let away: TestGateway
beforeAll(async () => {
  const environment = { PHONE_DAILY_LIMIT: '2', ADMIN_TOKENS: `service:open-data:${SERVICE}` }
  gateway = await startTestGateway({ environment })
  const { stores, simulator } = gateway
  const view = { ...stores, ...stores.replica(), cache: createAwayCache() }
  away = await startTestGateway({ environment, stores: view, simulator })
})
afterAll(() => gateway.close())

const token = async (person: string): Promise<string> => (await away.login(person)).body.data.token
const give = (bearer: string, body: unknown) => away.call('POST', '/api/user/phone', { token: bearer, body })

test('the profile is read and changed', async () => {
  const bearer = await token('reader')
  expect((await away.call('PATCH', '/api/user', { token: bearer, body: { nickname: 'n' } })).status).toBe(200)
  expect((await away.call('GET', '/api/user', { token: bearer })).body.data.nickname).toBe('n')
})

test('a phone code is redeemed, and still only so often a day in this process', async () => {
  const bearer = await token('caller')
  const tap = () => give(bearer, { code: away.simulator.phoneCode(APPID, 'caller') })
  expect([(await tap()).status, (await tap()).status, (await tap()).body.code]).toEqual([200, 200, 'A0501'])
})

test('encrypted data is 503, and says when to come back', async () => {
  const bearer = await token('encrypted')
  const encrypted = away.simulator.phoneData(APPID, 'encrypted')
  const { body: profile } = await away.call('GET', '/api/user', { token: bearer })
  const phone = await give(bearer, encrypted)
  expect([phone.status, phone.body.code]).toEqual([503, 'B0320'])
  expect(phone.headers.get('retry-after')).toBeTruthy()
  const opened = await away.internalApp.request('/internal/open-data', {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${SERVICE}` },
    body: JSON.stringify({ user_id: profile.data.user_id, appid: APPID, ...encrypted }),
  })
  expect(opened.status).toBe(503)
  expect(await opened.json()).toMatchObject({ code: 'B0320' })
})

test('an account is erased', async () => {
  const bearer = await token('leaver')
  const body = { code: away.simulator.login(APPID, 'leaver') }
  expect((await away.call('DELETE', '/api/user', { token: bearer, body })).status).toBe(200)
  expect(away.logs()).toContain('a session_key of an erased user stays')
})
