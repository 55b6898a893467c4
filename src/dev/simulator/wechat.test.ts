/** code2Session of the simulated WeChat, as the documents and the reports describe it. */
import { describe, expect, test } from 'vitest'
import { toAvatar } from '../../server/avatars/avatar-image.ts'
import { picture } from '../testing/pictures.ts'
import { CLUB, exchangeQuery, LONE, open, SHOP, simulatorFixture } from '../testing/wechat-simulator.fixture.ts'
import { signRawData } from './wechat-crypto.ts'

const on = simulatorFixture()
const { call, exchange } = on

describe('code2Session', () => {
  test('a code becomes openid, session_key and unionid, served as text/plain without an errcode', async () => {
    const code = on.wechat.login(SHOP, 'alice')
    expect(code).toMatch(/^[0-9A-Za-z]{32}$/)
    const response = await on.wechat.app.request(`/sns/jscode2session?${new URLSearchParams(exchangeQuery(code))}`)
    expect(response.headers.get('content-type')).toBe('text/plain')
    expect(await response.json()).toEqual({
      openid: on.wechat.openidOf(SHOP, 'alice'),
      unionid: on.wechat.unionidOf(SHOP, 'alice'),
      session_key: on.wechat.sessionKeyOf(SHOP, 'alice'),
    })
  })

  test('a code is good for one exchange', async () => {
    const code = on.wechat.login(SHOP, 'alice')
    await exchange(code)
    expect(await exchange(code)).toMatchObject({
      errcode: 40163,
      errmsg: expect.stringMatching(/^code been used, rid: /),
    })
  })

  test('of parallel exchanges of one code, one succeeds', async () => {
    const code = on.wechat.login(SHOP, 'alice')
    const answers = await Promise.all(Array.from({ length: 20 }, () => exchange(code)))
    expect(answers.filter(({ openid }) => openid)).toHaveLength(1)
    expect(answers.filter(({ errcode }) => errcode === 40163)).toHaveLength(19)
  })

  test('a code lives for five minutes', async () => {
    const [first, second] = [on.wechat.login(SHOP, 'alice'), on.wechat.login(SHOP, 'alice')]
    on.clock.advance(299)
    expect(await exchange(first)).toHaveProperty('openid')
    on.clock.advance(1)
    expect(await exchange(second)).toMatchObject({ errcode: 40029 })
  })

  test.each([
    ['an invented code', () => 'x'.repeat(32)],
    ['the mock code of the developer tools', () => 'the code is a mock one'],
    ['the code of another app', () => on.wechat.login(CLUB, 'alice')],
    ['a phone code', () => on.wechat.phoneCode(SHOP, 'alice')],
    ['a dev code without a nonce', () => 'dev:alice'],
  ])('%s is refused with 40029', async (_, code) => {
    expect(await exchange(code())).toMatchObject({ errcode: 40029 })
  })

  test.each([
    [41002, { appid: '' }],
    [41004, { secret: '' }],
    [41008, { js_code: '' }],
    [40002, { grant_type: 'client_credential' }],
    [40013, { appid: 'wxunknown' }],
    [40125, { secret: 'wrong' }],
  ])('%i answers %j, and the code stays good', async (errcode, wrong) => {
    const code = on.wechat.login(SHOP, 'alice')
    expect(await call('/sns/jscode2session', { ...exchangeQuery(code), ...wrong })).toMatchObject({ errcode })
    expect(await exchange(code)).toHaveProperty('openid')
  })

  test('POST is answered with 41002', async () => {
    expect(await call('/sns/jscode2session', exchangeQuery(on.wechat.login(SHOP, 'a')), {})).toMatchObject({
      errcode: 41002,
    })
  })

  test('a person has another openid in every app, and one unionid per Open Platform account', async () => {
    const shop = await exchange(on.wechat.login(SHOP, 'alice'))
    const club = await exchange(on.wechat.login(CLUB, 'alice'), CLUB)
    const lone = await exchange(on.wechat.login(LONE, 'alice'), LONE)
    expect(new Set([shop.openid, club.openid, lone.openid]).size).toBe(3)
    expect(club.unionid).toBe(shop.unionid)
    expect(lone).not.toHaveProperty('unionid')
    expect((await exchange(on.wechat.login(SHOP, 'bob'))).unionid).not.toBe(shop.unionid)
  })

  test('a unionid can be absent at first and appear later', async () => {
    expect(await exchange(on.wechat.login(SHOP, 'alice', { unionid: false }))).not.toHaveProperty('unionid')
    expect(await exchange(on.wechat.login(SHOP, 'alice'))).toHaveProperty('unionid')
  })

  test('every exchange replaces the session_key, and only the newest is current', async () => {
    const first = await exchange(on.wechat.login(SHOP, 'alice'))
    const second = await exchange(on.wechat.login(SHOP, 'alice'))
    expect(second.session_key).not.toBe(first.session_key)
    expect(on.wechat.sessionKeyOf(SHOP, 'alice')).toBe(second.session_key)
  })

  test('a dev code needs no request before it, and is single use', async () => {
    expect(await exchange('dev:alice:1')).toMatchObject({ openid: on.wechat.openidOf(SHOP, 'alice') })
    expect(await exchange('dev:alice:1')).toMatchObject({ errcode: 40163 })
    expect(await exchange('dev:alice:2')).toMatchObject({ openid: on.wechat.openidOf(SHOP, 'alice') })
  })
})

describe('signed and encrypted user data', () => {
  test('data taken between wx.login and the exchange opens with the session_key of that exchange', async () => {
    const code = on.wechat.login(SHOP, 'alice')
    const taken = on.wechat.userInfo(SHOP, 'alice', { profile: { nickName: 'Alice "🌸"' } })
    const sessionKey = String((await exchange(code)).session_key)
    expect(taken.signature).toBe(signRawData(taken.rawData, sessionKey))
    expect(JSON.parse(taken.rawData)).toEqual(taken.userInfo)
    expect(open(taken, sessionKey)).toMatchObject({
      nickName: 'Alice "🌸"',
      openId: on.wechat.openidOf(SHOP, 'alice'),
      unionId: on.wechat.unionidOf(SHOP, 'alice'),
      watermark: { appid: SHOP, timestamp: on.clock.now().getTime() / 1000 },
    })
  })

  test('data taken before wx.login does not fit the session_key of its exchange', async () => {
    const taken = on.wechat.userInfo(SHOP, 'alice')
    const { session_key: sessionKey } = await exchange(on.wechat.login(SHOP, 'alice'))
    expect(taken.signature).not.toBe(signRawData(taken.rawData, String(sessionKey)))
  })

  test('a user is anonymous unless a profile is given', () => {
    expect(on.wechat.userInfo(SHOP, 'alice').userInfo).toMatchObject({ nickName: '微信用户', gender: 0 })
  })

  test('the watermark can be that of another app and time', () => {
    const watermark = { appid: CLUB, timestamp: 1 }
    const sessionKey = on.wechat.sessionKeyOf(SHOP, 'alice')
    expect(open(on.wechat.phoneData(SHOP, 'alice', { watermark }), sessionKey)).toMatchObject({ watermark })
    expect(open(on.wechat.userInfo(SHOP, 'alice', { watermark }), sessionKey)).toMatchObject({ watermark })
  })

  test('phone data carries the number, abroad with its prefix', () => {
    const sessionKey = on.wechat.sessionKeyOf(SHOP, 'alice')
    expect(open(on.wechat.phoneData(SHOP, 'alice', { phone: '+852 91234567' }), sessionKey)).toMatchObject({
      phoneNumber: '+85291234567',
      purePhoneNumber: '91234567',
      countryCode: '852',
    })
    expect(open(on.wechat.phoneData(SHOP, 'alice'), sessionKey)).toMatchObject({ countryCode: '86' })
  })
})

describe('memory', () => {
  const small = simulatorFixture({ capacity: 10 })

  test('a picture with a scene is drawn in a process whose gateway has cleaned a picture before', async () => {
    await toAvatar(await picture({ width: 8, height: 8 }).png().toBuffer())
    const path = `/wxa/getwxacodeunlimit?access_token=${await on.credential()}`
    const reply = await on.wechat.app.request(path, { method: 'POST', body: JSON.stringify({ scene: 'd=0123&x' }) })
    expect([reply.status, reply.headers.get('content-type')]).toEqual([200, 'image/png'])
    expect(
      Buffer.from(await reply.arrayBuffer())
        .subarray(1, 4)
        .toString(),
    ).toBe('PNG')
  })

  test('it is bounded: old codes and people are forgotten, the newest work', async () => {
    for (let i = 0; i < 50; i += 1) await small.exchange(small.wechat.login(SHOP, `person ${i}`))
    const oldest = small.wechat.login(SHOP, 'eve')
    for (let i = 0; i < 50; i += 1) small.wechat.login(SHOP, `visitor ${i}`)
    expect(small.wechat.stats().remembered).toEqual({ members: 10, freshCodes: 10, spentCodes: 10 })
    expect(await small.exchange(oldest)).toMatchObject({ errcode: 40029 })
    expect(await small.exchange(small.wechat.login(SHOP, 'alice'))).toHaveProperty('openid')
  })

  test('expired codes are dropped when new ones come', () => {
    for (let i = 0; i < 50; i += 1) on.wechat.login(SHOP, 'alice')
    on.clock.advance(300)
    on.wechat.login(SHOP, 'alice')
    expect(on.wechat.stats().remembered.freshCodes).toBe(1)
  })
})
