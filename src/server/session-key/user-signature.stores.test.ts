/** The user-state signature through HTTP: the published vectors, what is never signed, and what a service may not do. */
import { createHash, createHmac } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { APPID, startTestGateway, type TestGateway } from '../../dev/testing/test-gateway.ts'

const SIGNER = 'signer-signer-signer-signer-signer'
const NARROW = 'narrow-narrow-narrow-narrow-narrow'
const OTHER = 'others-others-others-others-others'
const environment = {
  ADMIN_TOKENS: `pay:sign:${SIGNER},narrow:sign@wx0000000000000009:${NARROW},other:open-data:${OTHER}`,
}
const path = '/internal/user-signature'
const sign = (gateway: TestGateway, body: object, token = SIGNER) => gateway.internal('POST', path, { body, token })

/** From WeChat's guide to virtual payment; the blanks are part of it. */
const vectors = [
  [
    '{"openid": "xxx", "user_ip": "127.0.0.1", "env": 0}',
    '089d9e8dc5d308977360c4b79ec600a93d736802802a807d634192328032f6c7',
  ],
  [
    '{"offer_id": "12345678", "openid": "oUrsfxxxxxxxxxx", "ts": 1668136271, "zone_id": "1", "env": 0}',
    '42fe1d3341fb1c8bd6f5014ba735ab04eacc80a2deb3ab4669eab4700b5b6729',
  ],
] as const

test('both published vectors come out, with the text as it was given', async () => {
  const gateway = await startTestGateway({
    environment,
    send: async () => ({ status: 200, text: '{"openid":"oVector","session_key":"9hAb/NEYUlkaMBEsmFgzig=="}' }),
  })
  const { user_id } = (await gateway.post('/api/login', { code: 'vector' })).body.data
  for (const [data, signature] of vectors) {
    const { status, body, headers } = await sign(gateway, { user_id, appid: APPID, data })
    expect([status, body.data]).toEqual([200, { data, signature }])
    expect(headers.get('cache-control')).toBe('no-store')
  }
  expect(gateway.logs()).not.toContain('9hAb/NEYUlkaMBEsmFgzig')
  await gateway.close()
})

describe('with a user', () => {
  let gateway: TestGateway
  let user_id: string
  beforeAll(async () => {
    gateway = await startTestGateway({ environment })
    user_id = (await gateway.login('buyer')).body.data.user_id
  })
  afterAll(() => gateway.close())

  test.each([
    ['the empty message, which proves other calls', ''],
    ['text that is no JSON', 'hello'],
    ['a list', '[{}]'],
    ['a string', '"x"'],
    ['null', 'null'],
    ['a number', '7'],
    ['a blank', ' '],
    ['more than 8 KiB', JSON.stringify({ a: 'x'.repeat(8192) })],
    ['more than 8 KiB of characters that take three bytes each', JSON.stringify({ a: '字'.repeat(3000) })],
  ])('%s is never signed', async (_, data) => {
    const { status, body } = await sign(gateway, { user_id, appid: APPID, data })
    expect([status, body.code, Object.keys(body.fields ?? {})]).toEqual([400, 'A0400', ['data']])
  })

  test('every byte is signed as it is given: blanks, order, escapes, other alphabets', async () => {
    const key = gateway.simulator.sessionKeyOf(APPID, 'buyer')
    for (const data of ['{ "b" : 1, "a" :\t2 }', '{"价":"€ \\u00e9"}', '{}']) {
      const { body } = await sign(gateway, { user_id, appid: APPID, data })
      expect(body.data).toEqual({ data, signature: createHmac('sha256', key).update(data, 'utf8').digest('hex') })
    }
  })

  test('verify asks the platform first: a key that it no longer takes is A0240, and nothing is signed', async () => {
    const data = '{"env":0}'
    expect((await sign(gateway, { user_id, appid: APPID, data, verify: true })).status).toBe(200)
    gateway.simulator.login(APPID, 'buyer')
    const stale = await sign(gateway, { user_id, appid: APPID, data, verify: true })
    expect([stale.status, stale.body.code]).toEqual([409, 'A0240'])
    await gateway.login('buyer')
    expect((await sign(gateway, { user_id, appid: APPID, data, verify: true })).status).toBe(200)
  })

  test('needs the scope sign, for this very app where it is narrowed', async () => {
    const body = { user_id, appid: APPID, data: '{}' }
    for (const token of [OTHER, NARROW]) expect((await sign(gateway, body, token)).body.code).toBe('A0312')
    expect((await gateway.internal('POST', path, { body })).body.code).toBe('A0230')
    expect((await gateway.call('POST', path, { body, token: SIGNER })).status).toBe(404)
  })

  test('a stranger, another app, a suspended user: a clear refusal', async () => {
    const data = '{}'
    const unknown = '00000000-0000-7000-8000-000000000000'
    expect((await sign(gateway, { user_id: unknown, appid: APPID, data })).body.code).toBe('A0404')
    expect((await sign(gateway, { user_id, appid: 'wx0000000000000009', data })).body.code).toBe('A0404')
    expect((await sign(gateway, { user_id: 'x', appid: APPID, data })).body.fields).toHaveProperty('user_id')
  })

  test('is audited by the hash of the text, never the text', async () => {
    const data = '{"secret":"goods"}'
    await sign(gateway, { user_id, appid: APPID, data })
    const text = `select actor, detail from audit_events where kind = 'user_state_signed' order by id desc limit 1`
    await expect
      .poll(async () => (await gateway.stores.database.run<object>({ name: 'signed', text }, []))[0], { timeout: 5000 })
      .toMatchObject({
        actor: 'service:pay',
        detail: { sha256: createHash('sha256').update(data).digest('hex'), verified: false },
      })
  })
})

test('is limited per user, and absent where no token has the scope', async () => {
  const limited = await startTestGateway({
    environment: { ...environment, RATE_LIMIT: 'on', RATE_LIMIT_SIGN_PER_USER: '2/60' },
  })
  const { user_id } = (await limited.login('eager')).body.data
  const codes = []
  for (let index = 0; index < 3; index += 1)
    codes.push((await sign(limited, { user_id, appid: APPID, data: '{}' })).body.code)
  expect(codes).toEqual(['00000', '00000', 'A0501'])
  const off = await limited.replica({ ADMIN_TOKENS: `other:open-data:${OTHER}` })
  expect((await sign(off, { user_id, appid: APPID, data: '{}' }, OTHER)).status).toBe(404)
  await off.close()
  await limited.close()
})
