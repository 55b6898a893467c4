/** The simulator's control surface over HTTP. */
import { describe, expect, test } from 'vitest'
import { CLUB, open, SHOP, simulatorFixture } from '../testing/wechat-simulator.fixture.ts'

const on = simulatorFixture()
const { call, credential, exchange } = on

describe('the control surface', () => {
  const control = (path: string, body: unknown) =>
    on.wechat.app.request(`/simulator${path}`, { method: 'POST', body: JSON.stringify(body) })
  const post = async (path: string, body: unknown) => JSON.parse(await (await control(path, body)).text())

  test('a client can be driven over HTTP, for the first app unless another is named', async () => {
    const { code } = await post('/login', { person: 'alice' })
    const taken = await post('/user-info', { person: 'alice', profile: { nickName: 'Alice' } })
    const { session_key: sessionKey } = await exchange(code)
    expect(open(taken, String(sessionKey))).toMatchObject({ nickName: 'Alice', watermark: { appid: SHOP } })
    const phone = await post('/phone-data', { person: 'alice', phone: '13800138000' })
    expect(open(phone, String(sessionKey))).toMatchObject({ phoneNumber: '13800138000' })
    const phoneCode = await post('/phone-code', { appid: CLUB, person: 'alice' })
    expect(
      await call('/wxa/business/getuserphonenumber', { access_token: await credential(CLUB) }, phoneCode),
    ).toMatchObject({ errcode: 0 })
  })

  test('faults can be ordered and cleared over HTTP, and never hit the control surface itself', async () => {
    expect((await control('/faults', { errcode: 45011 })).status).toBe(200)
    const { code } = await post('/login', { person: 'alice' })
    expect(await exchange(code)).toMatchObject({ errcode: 45011 })
    expect((await on.wechat.app.request('/simulator/faults', { method: 'DELETE' })).status).toBe(204)
    expect(await exchange(code)).toHaveProperty('openid')
    const stats = await (await on.wechat.app.request('/simulator/stats')).json()
    expect(stats).toMatchObject({ calls: { '/sns/jscode2session': 2 }, faults: 0 })
  })

  test('a person can be looked up, and the calls read as they came in', async () => {
    const { code } = await post('/login', { person: 'alice' })
    const { session_key, openid } = await exchange(code)
    expect(await post('/person', { person: 'alice' })).toEqual({
      openid,
      session_key,
      unionid: on.wechat.unionidOf(SHOP, 'alice'),
    })
    const { calls } = (await (await on.wechat.app.request('/simulator/calls')).json()) as { calls: object[] }
    expect(calls).toEqual([
      expect.objectContaining({ path: '/sns/jscode2session', query: expect.objectContaining({ js_code: code }) }),
    ])
  })

  test.each([
    ['/login', {}],
    ['/login', { person: 'alice', appid: 'wxunknown' }],
    ['/login', 'no object'],
    ['/faults', { errCode: 1 }],
    ['/faults', { path: '/sns/typo' }],
    ['/user-info', { person: 'alice', profile: { nickname: 'Alice' } }],
  ])('POST %s %j is refused with 400 and a reason', async (path, body) => {
    const response = await control(path, body)
    expect(response.status).toBe(400)
    expect(await response.json()).toEqual({ error: expect.stringMatching(/./) })
  })
})
