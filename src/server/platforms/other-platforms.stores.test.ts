/** Logins of several platforms on one gateway, through HTTP. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { newRsaKeys, simulatedAlipay } from '../../dev/simulator/alipay.ts'
import { simulatedDouyin } from '../../dev/simulator/douyin.ts'
import { createPlatformSimulator } from '../../dev/simulator/other-platforms.ts'
import { SIMULATED_CORPID, simulatedWecom } from '../../dev/simulator/wecom.ts'
import { APP_SECRET, APPID, startTestGateway, type TestGateway } from '../../dev/testing/test-gateway.ts'

const SHOP_TOKEN = 'token-of-the-shop-0123456789-0123456789'
const SECRETS = { douyin: 'douyin-secret-0001', wecom: 'wecom-secret-0001' }
const appKeys = newRsaKeys()
const alipayKeys = newRsaKeys()

const simulated = (secret: string) => ({ apps: [{ appid: APPID, secret, openPlatform: 'acme' }] })
const douyin = createPlatformSimulator(simulatedDouyin, simulated(SECRETS.douyin))
const wecom = createPlatformSimulator(simulatedWecom({ [SECRETS.wecom]: 'wecom-app' }), {
  apps: [{ appid: 'wecom-app', secret: SECRETS.wecom }],
})
const alipay = createPlatformSimulator(simulatedAlipay({ platformKey: alipayKeys.privateKey }), {
  apps: [{ appid: '2021000000000001', secret: appKeys.privateKey }],
})

// The same appid on two platforms, on purpose.
const APPS = JSON.stringify([
  { platform: 'wechat', appid: APPID, secret: APP_SECRET, union: 'acme' },
  { platform: 'douyin', appid: APPID, secret: SECRETS.douyin, claims: ['platform', 'openid'] },
  { platform: 'wecom', appid: 'wecom-app', secret: SECRETS.wecom, corpid: SIMULATED_CORPID, claims: ['openid'] },
  {
    platform: 'alipay',
    appid: '2021000000000001',
    secret: appKeys.privateKey,
    alipayPublicKey: alipayKeys.publicKey,
  },
])

describe('one gateway for several platforms', () => {
  let gateway: TestGateway
  beforeAll(async () => {
    gateway = await startTestGateway({
      environment: { WECHAT_APPID: undefined, WECHAT_SECRET: undefined, APPS, ADMIN_TOKENS: `shop:sign:${SHOP_TOKEN}` },
      otherPlatforms: [douyin, wecom, alipay],
    })
  })
  afterAll(() => gateway.close())

  const login = (body: Record<string, unknown>) => gateway.post('/api/login', body)
  const claimsOf = (token: string) => JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())

  test('an appid that two platforms share needs the platform named, and then the right one is asked', async () => {
    const code = douyin.login(APPID, 'alice')
    const unclear = await login({ code, appid: APPID })
    expect([unclear.status, unclear.body.code]).toEqual([400, 'A0400'])
    expect(unclear.body.fields).toHaveProperty('platform')
    expect(douyin.seen()).toHaveLength(0)

    const { body } = await login({ code, appid: APPID, platform: 'douyin' })
    expect(body.code).toBe('00000')
    expect(claimsOf(body.data.token)).toMatchObject({
      client_id: APPID,
      platform: 'douyin',
      openid: douyin.subjectOf(APPID, 'alice'),
    })
    const wechat = await login({ code: gateway.simulator.login(APPID, 'alice'), appid: APPID, platform: 'wechat' })
    expect(wechat.body.code).toBe('00000')
    expect(wechat.body.data.user_id).not.toBe(body.data.user_id)
  })

  test('a person is the same user at every login, on whichever replica', async () => {
    const other = await gateway.replica()
    const as = { appid: APPID, platform: 'douyin' }
    const first = await login({ ...as, code: douyin.login(APPID, 'bob') })
    const second = await other.post('/api/login', { ...as, code: douyin.login(APPID, 'bob') })
    expect(second.body.data).toMatchObject({ user_id: first.body.data.user_id, is_new_user: false })
  })

  test('many logins of WeCom share one app token, and a member is named with their company', async () => {
    const replies = await Promise.all(
      Array.from({ length: 10 }, () => login({ appid: 'wecom-app', code: wecom.login('wecom-app', 'carol') })),
    )
    expect(new Set(replies.map(({ body }) => body.data?.user_id)).size).toBe(1)
    expect(claimsOf(replies[0]?.body.data.token).openid).toBe(wecom.subjectOf('wecom-app', 'carol'))
    expect(wecom.seen().filter(({ path }) => path === '/cgi-bin/gettoken')).toHaveLength(1)

    wecom.endTokens()
    const after = await login({ appid: 'wecom-app', code: wecom.login('wecom-app', 'carol') })
    expect(after.body.code).toBe('00000')
  })

  test('a login without a session_key is a login, and its encrypted data is refused rather than believed', async () => {
    const appid = '2021000000000001'
    const { body } = await login({ appid, code: alipay.login(appid, 'dave') })
    expect(body.data).toMatchObject({ token_type: 'Bearer', is_new_user: true })
    const forged = { rawData: '{"nickName":"x"}', signature: 'a'.repeat(40) }
    const signed = await login({ appid, code: alipay.login(appid, 'dave'), ...forged })
    expect([signed.status, signed.body.code]).toEqual([400, 'A0340'])
  })

  test('a payment of Douyin is signed under the session_key of this very login, byte for byte, and no more under an older one', async () => {
    const as = { appid: APPID, platform: 'douyin' }
    const { user_id } = (await login({ ...as, code: douyin.login(APPID, 'buyer') })).body.data
    const data = '{ "order": "1001", "商品": "茶" }'
    const signed = async () =>
      (
        await gateway.internal('POST', '/internal/user-signature', {
          token: SHOP_TOKEN,
          body: { user_id, appid: APPID, data },
        })
      ).body.data
    const first = await signed()
    expect(first.data).toBe(data)
    expect(douyin.isSigned(APPID, 'buyer', first.data, first.signature)).toBe(true)
    expect(douyin.isSigned(APPID, 'buyer', JSON.stringify(JSON.parse(data)), first.signature)).toBe(false)
    await login({ ...as, code: douyin.login(APPID, 'buyer') })
    expect(douyin.isSigned(APPID, 'buyer', first.data, first.signature)).toBe(false)
    expect(douyin.isSigned(APPID, 'buyer', data, (await signed()).signature)).toBe(true)
    expect(wecom.isSigned('wecom-app', 'buyer', data, first.signature)).toBe(false)
  })

  test('a code is good once, a refused one is A0223, and a slow platform is C0200 within its time', async () => {
    const as = { appid: APPID, platform: 'douyin' }
    const used = douyin.login(APPID, 'erin')
    const path = '/api/apps/v2/jscode2session'
    expect((await login({ ...as, code: used })).body.code).toBe('00000')
    expect((await login({ ...as, code: used })).body.code).toBe('00000')
    expect(douyin.seen().filter(({ body }) => body.includes(used))).toHaveLength(1)
    expect((await login({ ...as, code: 'made-up' })).body.code).toBe('A0223')
    douyin.fail({ path, times: 1, delayMs: 5000 })
    const slow = await login({ ...as, code: douyin.login(APPID, 'erin') })
    expect([slow.status, slow.body.code]).toEqual([504, 'C0200'])
  })

  test('no secret of any platform, code or app token is in the log', async () => {
    const logs = gateway.logs()
    const bodies = [...douyin.seen(), ...wecom.seen(), ...alipay.seen()]
    const codes = bodies.flatMap(({ query, body }) => [query.js_code, /"code":"([^"]+)"/.exec(body)?.[1]])
    const tokens = wecom.seen().map(({ query }) => query.access_token)
    const secrets = [SECRETS.douyin, SECRETS.wecom, APP_SECRET, 'PRIVATE KEY', ...codes, ...tokens]
    expect(secrets.filter((secret) => secret !== undefined && logs.includes(secret))).toEqual([])
    expect(logs).toContain('code2Session')
  })
})
