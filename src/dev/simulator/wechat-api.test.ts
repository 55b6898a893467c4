/** The server paths of the simulated WeChat beyond code2Session. */
import { describe, expect, test } from 'vitest'
import { CLUB, type Json, SHOP, simulatorFixture } from '../testing/wechat-simulator.fixture.ts'
import { signLoginState } from './wechat-crypto.ts'

const on = simulatorFixture()
const { call, credential } = on

describe('checkSessionKey and ResetUserSessionKey', () => {
  const signed = async (sessionKey: string, appid = SHOP) => ({
    access_token: await credential(appid),
    openid: on.wechat.openidOf(SHOP, 'alice'),
    signature: signLoginState('', sessionKey),
    sig_method: 'hmac_sha256',
  })

  test('the current session_key is confirmed, an older one is 87009', async () => {
    const older = on.wechat.sessionKeyOf(SHOP, 'alice')
    expect(await call('/wxa/checksession', await signed(older))).toEqual({ errcode: 0, errmsg: 'ok' })
    on.wechat.login(SHOP, 'alice')
    expect(await call('/wxa/checksession', await signed(older))).toMatchObject({ errcode: 87009 })
  })

  test('a reset gives a new session_key and ends the old one', async () => {
    const older = on.wechat.sessionKeyOf(SHOP, 'alice')
    const answer = await call('/wxa/resetusersessionkey', await signed(older))
    expect(answer).toMatchObject({ errcode: 0, openid: on.wechat.openidOf(SHOP, 'alice') })
    expect(answer.session_key).toBe(on.wechat.sessionKeyOf(SHOP, 'alice'))
    expect(answer.session_key).not.toBe(older)
    expect(await call('/wxa/resetusersessionkey', await signed(older))).toMatchObject({ errcode: 87009 })
  })

  test('an unknown openid, the credential of another app and another method are refused', async () => {
    const good = await signed(on.wechat.sessionKeyOf(SHOP, 'alice'))
    expect(await call('/wxa/checksession', { ...good, openid: 'nobody' })).toMatchObject({ errcode: 40003 })
    expect(await call('/wxa/checksession', { ...good, access_token: await credential(CLUB) })).toMatchObject({
      errcode: 40003,
    })
    expect(await call('/wxa/checksession', { ...good, sig_method: 'md5' })).toMatchObject({ errcode: 87008 })
  })
})

describe('getPhoneNumber', () => {
  const phone = async (body: Json, appid = SHOP) =>
    call('/wxa/business/getuserphonenumber', { access_token: await credential(appid) }, body)

  test('a phone code becomes the number once', async () => {
    const code = on.wechat.phoneCode(SHOP, 'alice', '13800138000')
    expect(await phone({ code })).toEqual({
      errcode: 0,
      errmsg: 'ok',
      phone_info: {
        phoneNumber: '13800138000',
        purePhoneNumber: '13800138000',
        countryCode: 86,
        watermark: { appid: SHOP, timestamp: on.clock.now().getTime() / 1000 },
      },
    })
    expect(await phone({ code })).toMatchObject({ errcode: 40029 })
  })

  test('the openid, when sent, must be the one whose phone it is', async () => {
    const code = on.wechat.phoneCode(SHOP, 'alice')
    expect(await phone({ code, openid: on.wechat.openidOf(SHOP, 'mallory') })).toMatchObject({ errcode: 40003 })
    expect(await phone({ code, openid: on.wechat.openidOf(SHOP, 'alice') })).toMatchObject({ errcode: 0 })
  })

  test('a login code, the code of another app and an expired code are refused with 40029', async () => {
    expect(await phone({ code: on.wechat.login(SHOP, 'alice') })).toMatchObject({ errcode: 40029 })
    expect(await phone({ code: on.wechat.phoneCode(CLUB, 'alice') })).toMatchObject({ errcode: 40029 })
    const expired = on.wechat.phoneCode(SHOP, 'alice')
    on.clock.advance(300)
    expect(await phone({ code: expired })).toMatchObject({ errcode: 40029 })
    expect(await phone({})).toMatchObject({ errcode: 41008 })
  })

  test('a dev phone code needs no request before it', async () => {
    expect(await phone({ code: 'dev-phone:alice:1' })).toMatchObject({ errcode: 0 })
    expect(await phone({ code: 'dev-phone:alice:1' })).toMatchObject({ errcode: 40029 })
    expect(await phone({ code: 'dev:alice:1' })).toMatchObject({ errcode: 40029 })
  })
})

describe('msgSecCheck', () => {
  const judge = async (more: Json, appid = SHOP) =>
    call(
      '/wxa/msg_sec_check',
      { access_token: await credential(appid) },
      { version: 2, scene: 1, openid: on.wechat.openidOf(SHOP, 'alice'), content: 'hello', ...more },
    )

  test('text passes, is risky or is for review', async () => {
    expect(await judge({})).toMatchObject({ errcode: 0, result: { suggest: 'pass', label: 100 } })
    expect(await judge({ content: 'so [risky]' })).toMatchObject({ result: { suggest: 'risky', label: 20006 } })
    expect(await judge({ nickname: '[review] me' })).toMatchObject({ result: { suggest: 'review' } })
  })

  test('the user must be of this app and have been here in the last two hours', async () => {
    expect(await judge({ openid: 'nobody' })).toMatchObject({ errcode: 40003 })
    expect(await judge({}, CLUB)).toMatchObject({ errcode: 43104 })
    on.clock.advance(7201)
    expect(await judge({})).toMatchObject({ errcode: 61010 })
    on.wechat.login(SHOP, 'alice')
    expect(await judge({})).toMatchObject({ errcode: 0 })
  })

  test('wrong requests have their errcodes', async () => {
    expect(await judge({ version: 1 })).toMatchObject({ errcode: 47001 })
    expect(await judge({ scene: 9 })).toMatchObject({ errcode: 40129 })
    expect(await judge({ content: '字'.repeat(2501) })).toMatchObject({ errcode: 45002 })
  })
})
