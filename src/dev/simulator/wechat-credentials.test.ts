/** Platform credentials of the simulated WeChat: stable, replaced, expired. */
import { describe, expect, test } from 'vitest'
import { SHOP, simulatorFixture } from '../testing/wechat-simulator.fixture.ts'

const on = simulatorFixture()
const { call, credential, stable } = on

describe('platform credentials', () => {
  const check = (accessToken: string) =>
    call('/wxa/checksession', { access_token: accessToken }).then(({ errcode }) => errcode)
  const ACCEPTED = 87008

  test('stable_token repeats the same token until five minutes before its end, then gives a new one beside it', async () => {
    const first = await stable()
    expect(first.expires_in).toBe(7200)
    on.clock.advance(6900)
    expect(await stable()).toEqual({ access_token: first.access_token, expires_in: 300 })
    on.clock.advance(1)
    const second = await stable()
    expect(second.access_token).not.toBe(first.access_token)
    expect(await check(String(first.access_token))).toBe(ACCEPTED)
    on.clock.advance(299)
    expect(await check(String(first.access_token))).toBe(42001)
    expect(await check(String(second.access_token))).toBe(ACCEPTED)
  })

  test('force_refresh ends the previous token at once', async () => {
    const first = await credential()
    const second = await stable({ force_refresh: true })
    expect(await check(first)).toBe(40001)
    expect(await check(String(second.access_token))).toBe(ACCEPTED)
  })

  test('force_refresh within 30 seconds or a twenty-first time in a day changes nothing', async () => {
    const forced = async () => (await stable({ force_refresh: true })).access_token
    const first = await forced()
    on.clock.advance(29)
    expect(await forced()).toBe(first)
    const seen = new Set([first])
    for (let i = 0; i < 30; i += 1) {
      on.clock.advance(30)
      seen.add(await forced())
    }
    expect(seen.size).toBe(20)
    on.clock.advance(86_400)
    await forced()
    on.clock.advance(30)
    expect(seen).not.toContain(await forced())
  })

  test('every getAccessToken mints, the one before lives five more minutes, and stable_token is not touched', async () => {
    const plain = async () =>
      String(
        (await call('/cgi-bin/token', { grant_type: 'client_credential', appid: SHOP, secret: 'shop-secret' }))
          .access_token,
      )
    const stableToken = await credential()
    const [first, second] = [await plain(), await plain()]
    expect(second).not.toBe(first)
    expect(await check(first)).toBe(ACCEPTED)
    on.clock.advance(300)
    expect(await check(first)).toBe(40001)
    expect(await check(second)).toBe(ACCEPTED)
    expect(await credential()).toBe(stableToken)
  })

  test('a missing, malformed, invented and withdrawn token have their own errcodes', async () => {
    const token = await credential()
    on.wechat.revokeCredential(token)
    expect(await check('')).toBe(41001)
    expect(await check('short')).toBe(40014)
    expect(await check('a'.repeat(136))).toBe(40001)
    expect(await check(token)).toBe(40001)
    expect(await credential()).not.toBe(token)
  })

  test('wrong requests have their errcodes', async () => {
    expect(await stable({ appid: undefined })).toMatchObject({ errcode: 41002 })
    expect(await stable({ secret: undefined })).toMatchObject({ errcode: 41004 })
    expect(await stable({ appid: 'wxunknown' })).toMatchObject({ errcode: 40013 })
    expect(await stable({ secret: 'wrong' })).toMatchObject({ errcode: 40001 })
    expect(await stable({ grant_type: 'authorization_code' })).toMatchObject({ errcode: 40002 })
    expect(await call('/cgi-bin/stable_token')).toMatchObject({ errcode: 43002 })
    expect(await call('/cgi-bin/stable_token', {}, 'no object')).toMatchObject({ errcode: 47001 })
    expect(await call('/cgi-bin/token', {}, {})).toMatchObject({ errcode: 43001 })
    expect(await call('/cgi-bin/nothing')).toMatchObject({ errcode: 40066 })
  })
})
