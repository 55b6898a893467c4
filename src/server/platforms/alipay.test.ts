/** Nothing that Alipay did not sign makes anybody a user. */
import { describe, expect, test } from 'vitest'
import { newRsaKeys, signed, simulatedAlipay } from '../../dev/simulator/alipay.ts'
import { createPlatformSimulator } from '../../dev/simulator/other-platforms.ts'
import { testClock } from '../clock.ts'
import type { AppConfig } from '../config/config.ts'
import { createSealer } from '../crypto/seal.ts'
import { createMemoryCache } from '../storage/cache.memory.ts'
import { createAlipay } from './alipay.ts'
import type { Send } from './fetch-json.ts'
import { rawMember } from './raw-member.ts'

const NAME = 'alipay_system_oauth_token_response'
const appKeys = newRsaKeys()
const alipayKeys = newRsaKeys()
const strangerKeys = newRsaKeys()
const app: AppConfig = {
  platform: 'alipay',
  appid: '2021000000000001',
  secret: appKeys.privateKey,
  alipayPublicKey: alipayKeys.publicKey,
}

const clock = testClock(new Date('2026-01-01T17:30:00Z'))

function create(send: Send) {
  const sealer = createSealer([{ id: 'k1', secret: Buffer.alloc(32, 7) }])
  return createAlipay({ send, clock, sealer, cache: createMemoryCache({ clock }) })
}

const answering = (text: string) => create(async () => ({ status: 200, text }))
const exchange = (text: string) => answering(text).exchange(app, 'code')
const signedBy = (privateKey: string, value: Record<string, unknown>) => String(signed(NAME, value, privateKey))

describe('the reply', () => {
  const good = signedBy(alipayKeys.privateKey, { open_id: 'person-1', user_id: '2088000000000001' })

  test('is believed when Alipay signed the very characters of it', async () => {
    expect(await exchange(good)).toEqual({ openid: 'person-1' })
  })

  test('is refused when it is unsigned, signed by another, or one character of it was changed', async () => {
    const unsigned = JSON.stringify({ [NAME]: { open_id: 'person-1' } })
    const emptily = JSON.stringify({ [NAME]: { open_id: 'person-1' }, sign: '' })
    for (const text of [unsigned, emptily]) await expect(exchange(text)).rejects.toThrow('body (unsigned)')
    const others = signedBy(strangerKeys.privateKey, { open_id: 'person-1' })
    const own = signedBy(appKeys.privateKey, { open_id: 'person-1' })
    const reprinted = JSON.stringify(JSON.parse(good))
    for (const text of [others, own, good.replace('person-1', 'person-2'), reprinted]) {
      await expect(exchange(text)).rejects.toThrow('body (wrong signature)')
    }
  })

  test('is refused when the response is there twice, since one of the two was not signed', async () => {
    const forged = `"${NAME}":{"open_id":"person-2"}`
    for (const text of [`{${forged},${good.slice(1)}`, `${good.slice(0, -1)},${forged}}`]) {
      expect(JSON.parse(text)).toHaveProperty(NAME)
      await expect(exchange(text)).rejects.toThrow('body (unsigned)')
    }
  })

  test('is what was signed, also when an escaped name hides a second one from the search', async () => {
    const hidden = `"${NAME.replace('_token', '_t\\u006fken')}":{"open_id":"person-2"}`
    const text = `${good.slice(0, -1)},${hidden}}`
    expect(JSON.parse(text)[NAME].open_id).toBe('person-2')
    expect(await exchange(text)).toEqual({ openid: 'person-1' })
  })

  test('is not confused by what stands inside of it', async () => {
    const text = signedBy(alipayKeys.privateKey, { open_id: 'person-1', nick: `","sign":"x"},"${NAME}":{"` })
    expect(await exchange(text)).toEqual({ openid: 'person-1' })
  })

  test('names the person by user_id where the app is from before open_id', async () => {
    const text = signedBy(alipayKeys.privateKey, { user_id: '2088000000000001' })
    expect(await exchange(text)).toEqual({ openid: '2088000000000001' })
  })

  test('of an error is a refusal, signed or not, even beside a good response', async () => {
    const error = { code: '40002', msg: 'Invalid Arguments', sub_code: 'isv.invalid-signature' }
    for (const text of [
      JSON.stringify({ error_response: error }),
      String(signed('error_response', error, alipayKeys.privateKey)),
      `${good.slice(0, -1)},"error_response":${JSON.stringify(error)}}`,
    ]) {
      await expect(exchange(text)).rejects.toMatchObject({ refusal: 'misconfigured', errcode: 'isv.invalid-signature' })
    }
  })
})

test('the request is signed so that Alipay accepts it, with the time of Beijing', async () => {
  const simulator = createPlatformSimulator(simulatedAlipay({ platformKey: alipayKeys.privateKey }), {
    apps: [{ appid: app.appid, secret: app.secret }],
    clock,
  })
  const platform = create(async ({ url, method, headers, body }) => {
    const reply = await simulator.fetch(
      new Request(url, { method, ...(headers ? { headers } : {}), ...(body ? { body } : {}) }),
    )
    return { status: reply.status, text: await reply.text() }
  })
  const code = simulator.login(app.appid, 'alice')
  expect(await platform.exchange(app, code)).toEqual({ openid: simulator.subjectOf(app.appid, 'alice') })
  const [call] = simulator.seen()
  expect(call?.query).toMatchObject({ timestamp: '2026-01-02 01:30:00', charset: 'utf-8', sign_type: 'RSA2' })
  expect(call?.body).toBe(`grant_type=authorization_code&code=${code}`)
  await expect(platform.exchange(app, 'a b+c&d=e')).rejects.toMatchObject({ errcode: 'isv.code-invalid' })
})

test('a raw member is what was sent, whatever nests in it, and never one from further down', () => {
  expect(rawMember('{"a":{"b":[1,{"c":2}],"s":"}\\",{"} ,"b":3}', 'a')).toBe('{"b":[1,{"c":2}],"s":"}\\",{"}')
  expect(rawMember('{"a":{"b":[1,2]},"b": 3 }', 'b')).toBe('3')
  expect(rawMember('{"a":{"b":1}}', 'b')).toBeUndefined()
  expect(rawMember('{"x":"b","a":1}', 'b')).toBeUndefined()
  expect(rawMember('{"b":1,"b":1}', 'b')).toBeUndefined()
  expect(rawMember('{}', 'b')).toBeUndefined()
})
