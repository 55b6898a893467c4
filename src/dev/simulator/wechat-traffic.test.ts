/** What can go wrong at the simulated WeChat: faults, delays and dropped connections. */
import { describe, expect, test } from 'vitest'
import { exchangeQuery, SHOP, simulatorFixture } from '../testing/wechat-simulator.fixture.ts'
import type { Fault } from './wechat.ts'

const on = simulatorFixture()
const { exchange, stable } = on

describe('faults', () => {
  const EXCHANGE = '/sns/jscode2session'
  const raw = (code: string) => on.wechat.app.request(`${EXCHANGE}?${new URLSearchParams(exchangeQuery(code))}`)

  test.each([-1, 40029, 40226, 45011, 45009, 40164, 50002])(
    'errcode %i comes on demand and leaves the code good',
    async (errcode) => {
      const code = on.wechat.login(SHOP, 'alice')
      on.wechat.fail({ errcode, times: 1 })
      expect(await exchange(code)).toMatchObject({ errcode })
      expect(await exchange(code)).toHaveProperty('openid')
    },
  )

  test('a lost answer spends the code: -1, then 40163', async () => {
    const code = on.wechat.login(SHOP, 'alice')
    on.wechat.fail({ errcode: -1, times: 1, spend: true })
    expect(await exchange(code)).toMatchObject({ errcode: -1 })
    expect(await exchange(code)).toMatchObject({ errcode: 40163 })
  })

  test('the errcode can be a string, a real one too', async () => {
    on.wechat.fail({ errcodeAsString: true })
    expect(await exchange('nonsense')).toMatchObject({ errcode: '40029' })
    expect(await exchange(on.wechat.login(SHOP, 'alice'))).not.toHaveProperty('errcode')
  })

  test('the legacy expires_in can be added to a success', async () => {
    on.wechat.fail({ path: EXCHANGE, merge: { expires_in: 7200 } })
    expect(await exchange(on.wechat.login(SHOP, 'alice'))).toMatchObject({
      openid: expect.any(String),
      expires_in: 7200,
    })
  })

  test('members can be put over those of a real answer, which does its work all the same', async () => {
    const code = on.wechat.login(SHOP, 'alice')
    on.wechat.fail({ path: EXCHANGE, merge: { openid: '', errcode: 0 }, times: 1 })
    expect(await exchange(code)).toMatchObject({ openid: '', errcode: 0, session_key: expect.any(String) })
    expect(await exchange(code)).toMatchObject({ errcode: 40163 })
  })

  test('a fault can be for the exchange of one code', async () => {
    const [spoiled, good] = [on.wechat.login(SHOP, 'alice'), on.wechat.login(SHOP, 'bob')]
    on.wechat.fail({ code: spoiled, errcode: -1 })
    expect(await exchange(good)).toHaveProperty('openid')
    expect(await exchange(spoiled)).toMatchObject({ errcode: -1 })
    expect(await stable()).toHaveProperty('access_token')
  })

  test('headers can be put over the usual ones, or taken away', async () => {
    on.wechat.fail({ httpStatus: 302, headers: { location: 'https://elsewhere.example/' }, times: 1 })
    const moved = await raw('nonsense')
    expect([moved.status, moved.headers.get('location')]).toEqual([302, 'https://elsewhere.example/'])
    on.wechat.fail({ headers: { 'content-type': '' } })
    expect((await raw('nonsense')).headers.get('content-type')).toBeNull()
  })

  test.each<[string, Fault, number, string]>([
    ['a page of HTML', { httpStatus: 502, body: '<html>Bad Gateway</html>' }, 502, '<html>Bad Gateway</html>'],
    ['an empty body', { body: '' }, 200, ''],
    ['truncated JSON', { body: '{"openid":"o' }, 200, '{"openid":"o'],
    ['a bare status', { httpStatus: 500 }, 500, ''],
  ])('%s is served as it stands', async (_, fault, status, body) => {
    on.wechat.fail(fault)
    const response = await raw(on.wechat.login(SHOP, 'alice'))
    expect([response.status, await response.text()]).toEqual([status, body])
  })

  test('a dropped connection rejects as fetch does', async () => {
    const code = on.wechat.login(SHOP, 'alice')
    on.wechat.fail({ drop: true, times: 1 })
    await expect(raw(code)).rejects.toThrow(TypeError)
    expect(await exchange(code)).toHaveProperty('openid')
  })

  test('a slow answer is abandoned by its signal, and by then the code is spent', async () => {
    const code = on.wechat.login(SHOP, 'alice')
    on.wechat.fail({ delayMs: 60_000, times: 1 })
    const url = `https://api.weixin.qq.com${EXCHANGE}?${new URLSearchParams(exchangeQuery(code))}`
    await expect(on.wechat.fetch(url, { signal: AbortSignal.timeout(20) })).rejects.toMatchObject({
      name: 'TimeoutError',
    })
    expect(on.wechat.stats().inFlight).toBe(0)
    expect(await exchange(code)).toMatchObject({ errcode: 40163 })
  })

  test('a fault keeps to its path and its number of times, the oldest first, until cleared', async () => {
    on.wechat.fail({ path: '/cgi-bin/stable_token', errcode: -1 })
    on.wechat.fail({ path: EXCHANGE, errcode: 45011, times: 2 })
    on.wechat.fail({ path: EXCHANGE, errcode: 40226 })
    const seen = []
    for (let i = 0; i < 4; i += 1) seen.push((await exchange('nonsense')).errcode)
    expect(seen).toEqual([45011, 45011, 40226, 40226])
    expect(await stable()).toMatchObject({ errcode: -1 })
    on.wechat.clearFaults()
    expect(await exchange('nonsense')).toMatchObject({ errcode: 40029 })
    expect(await stable()).toHaveProperty('access_token')
  })
})

describe('counts', () => {
  const slow = simulatorFixture({ delayMs: 5 })

  test('calls are counted by path, with the most at once and the last one as it came', async () => {
    await Promise.all(['a', 'b', 'c'].map((person) => slow.exchange(slow.wechat.login(SHOP, person))))
    await slow.exchange('last one+1')
    await slow.stable({ force_refresh: false })
    expect(slow.wechat.calls('/sns/jscode2session')).toBe(4)
    expect(slow.wechat.calls('/cgi-bin/token')).toBe(0)
    expect(slow.wechat.maxInFlight()).toBe(3)
    expect(slow.wechat.lastRequest('/sns/jscode2session')).toMatchObject({
      method: 'GET',
      query: { js_code: 'last one+1' },
    })
    expect(JSON.parse(slow.wechat.lastRequest('/cgi-bin/stable_token')?.body ?? '')).toMatchObject({
      force_refresh: false,
    })
    expect(
      slow.wechat
        .receivedCalls()
        .map(({ path, query }) => [path, query.js_code])
        .slice(-2),
    ).toEqual([
      ['/sns/jscode2session', 'last one+1'],
      ['/cgi-bin/stable_token', undefined],
    ])
    slow.wechat.resetStats()
    expect(slow.wechat.stats()).toMatchObject({ calls: {}, inFlight: 0, maxInFlight: 0 })
    expect(slow.wechat.receivedCalls()).toEqual([])
  })
})
