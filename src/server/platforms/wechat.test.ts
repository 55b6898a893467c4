/** WeChat's answers, good and bad, as POST /api/login tells them to the caller. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Fault } from '../../dev/simulator/wechat.ts'
import { APP_SECRET, APPID, startTestGateway, type TestGateway } from '../../dev/testing/test-gateway.ts'

const PATH = '/sns/jscode2session'
let gateway: TestGateway
beforeAll(async () => {
  const apps = Array.from({ length: 100 }, (_, index) => ({ appid: `wx-app-${index}`, secret: APP_SECRET }))
  gateway = await startTestGateway({
    environment: { APPS: JSON.stringify(apps) },
    apps: [...apps, { appid: APPID, secret: APP_SECRET }],
  })
})
afterAll(() => gateway.close())
beforeEach(async () => {
  gateway.simulator.clearFaults()
  // Good days between the bad ones, so that the breaker stays out of it.
  for (let day = 1; day <= 2; day += 1) await gateway.login('everyday')
  gateway.simulator.resetStats()
})

let people = 0
/** One login of somebody new under this fault, its upstream calls counted; each in an app of its own, since outages of one app are shed. */
async function loginUnder(fault: Omit<Fault, 'path'>) {
  gateway.simulator.fail({ path: PATH, ...fault })
  const reply = await gateway.login(`person ${++people}`, { appid: `wx-app-${people}` })
  return { ...reply, calls: gateway.simulator.calls(PATH) }
}

/** The facts of the platform's error table, and the contract's code for each. */
const table: [number, string, number, string][] = [
  [40029, 'the code is not valid', 401, 'A0223'],
  [40163, 'the code was used', 401, 'A0223'],
  [40226, 'a user of high risk', 403, 'A0321'],
  [50002, 'a banned user', 403, 'A0321'],
  [45011, 'the quota of the minute', 429, 'C0401'],
  [45009, 'the quota of the day', 429, 'C0401'],
  [-1, 'busy', 502, 'C0001'],
  [41002, 'no appid', 502, 'C0001'],
  [41004, 'no secret', 502, 'C0001'],
  [41008, 'no code', 502, 'C0001'],
  [40013, 'a wrong appid', 502, 'C0001'],
  [40125, 'a wrong AppSecret', 502, 'C0001'],
  [40243, 'a frozen AppSecret', 502, 'C0001'],
  [40164, 'an address that is not on the list', 502, 'C0001'],
  [61004, 'an address that is not on the list', 502, 'C0001'],
  [45035, 'an address that is not on the list', 502, 'C0001'],
  [40002, 'a wrong grant_type', 502, 'C0001'],
  [99999, 'a code nobody knows', 502, 'C0001'],
]

describe('errcode', () => {
  test.each(table)('%i (%s) is answered with %i %s', async (errcode, _what, status, code) => {
    const reply = await loginUnder({ errcode })
    expect([reply.status, reply.body.code, reply.body.data]).toEqual([status, code, null])
    if (status === 429) expect(Number(reply.headers.get('retry-after'))).toBeGreaterThan(0)
  })

  test.each([40029, 40226, 45011, 40125])('%i means the same when it comes as text', async (errcode) => {
    const reply = await loginUnder({ errcode, errcodeAsString: true })
    expect(reply.body.code).toBe(table.find(([known]) => known === errcode)?.[3])
  })

  test.each([40125, 45009, 40164, 99999])(
    '%i is logged as an alert, since only an operator can mend it',
    async (errcode) => {
      const before = gateway.logs().length
      await loginUnder({ errcode })
      expect(gateway.logs().slice(before)).toContain('ALERT')
    },
  )
})

describe('"system busy"', () => {
  test('once is asked again, and the login goes through', async () => {
    expect(await loginUnder({ errcode: -1, times: 1 })).toMatchObject({ status: 200, calls: 2 })
  })

  test('always is asked again once and no more', async () => {
    expect(await loginUnder({ errcode: -1 })).toMatchObject({ status: 502, calls: 2 })
  })

  test('with the code spent on the way is a refusal of the code', async () => {
    const reply = await loginUnder({ errcode: -1, spend: true, times: 1 })
    expect([reply.status, reply.body.code, reply.calls]).toEqual([401, 'A0223', 2])
  })
})

describe('a success', () => {
  const good = { openid: 'oGZUI0egBJY1zhBYw2KhdUfwVJJE', session_key: 'tiihtNczf5v6AKRyjwEUhQ==' }
  test.each<[string, object]>([
    ['without errcode', good],
    ['with errcode 0', { ...good, errcode: 0, errmsg: 'ok' }],
    ['with errcode "0"', { ...good, errcode: '0' }],
    ['with expires_in of old accounts', { ...good, expires_in: 7200 }],
    ['with an odd unionid, which is left out', { ...good, unionid: 7 }],
    ['with members nobody knows', { ...good, more: { a: [1] } }],
  ])('%s is one', async (_what, body) => {
    expect((await loginUnder({ body: JSON.stringify(body) })).status).toBe(200)
  })

  test.each<[string, object]>([
    ['openid missing', { session_key: good.session_key }],
    ['openid empty', { ...good, openid: '' }],
    ['openid of another type', { ...good, openid: 7 }],
    ['openid that no database stores', { ...good, openid: 'a\0b' }],
    ['openid of 129 characters', { ...good, openid: 'o'.repeat(129) }],
    ['session_key missing', { openid: good.openid }],
    ['session_key empty', { ...good, session_key: '' }],
    ['session_key a list', { ...good, session_key: ['x'] }],
    ['nothing at all', {}],
  ])('with %s is none: 502 C0001', async (_what, body) => {
    const reply = await loginUnder({ body: JSON.stringify(body) })
    expect([reply.status, reply.body.code]).toEqual([502, 'C0001'])
  })
})

describe('an answer that is none is 502 C0001, asked for once', () => {
  test.each<[string, Omit<Fault, 'path'>]>([
    ['HTML', { body: '<html>bad gateway</html>' }],
    ['empty', { body: '' }],
    ['truncated', { body: '{"openid":"o1","session_' }],
    ['a list', { body: '[]' }],
    ['null', { body: 'null' }],
    ['a number', { body: '7' }],
    ['huge', { body: `{"openid":"${'x'.repeat(1_000_000)}"}` }],
    ['HTTP 500', { httpStatus: 500 }],
    ['HTTP 302', { httpStatus: 302, body: '{}' }],
    ['a dropped connection', { drop: true }],
  ])('%s', async (_what, fault) => {
    const reply = await loginUnder(fault)
    expect([reply.status, reply.body.code, reply.calls]).toEqual([502, 'C0001', 1])
  })
})

test('a platform that does not answer is 504 C0200 within five seconds', async () => {
  const login = loginUnder({ delayMs: 60_000 })
  const late = new Promise((resolve) => setTimeout(resolve, 5000, 'too late').unref())
  expect(await Promise.race([login.then((reply) => [reply.status, reply.body.code]), late])).toEqual([504, 'C0200'])
})

test('the code of developer tools without an appid is refused, and WeChat is not asked', async () => {
  const reply = await gateway.post('/api/login', { appid: APPID, code: 'the code is a mock one' })
  expect([reply.status, reply.body.code]).toEqual([401, 'A0223'])
  expect(gateway.simulator.calls(PATH)).toBe(0)
})

test('what is sent is what the document asks for', async () => {
  const code = gateway.simulator.login(APPID, 'asked')
  await gateway.post('/api/login', { appid: APPID, code })
  expect(gateway.simulator.lastRequest(PATH)).toMatchObject({
    method: 'GET',
    query: { appid: APPID, secret: APP_SECRET, js_code: code, grant_type: 'authorization_code' },
  })
})

test('a code that is made of signs of a URL is sent as one parameter, and adds none', async () => {
  const code = 'a&secret=b&appid=c#d%41+e=f?g'
  expect((await gateway.post('/api/login', { appid: APPID, code })).body.code).toBe('A0223')
  expect(gateway.simulator.lastRequest(PATH)?.query).toEqual({
    ...{ appid: APPID, secret: APP_SECRET, js_code: code },
    grant_type: 'authorization_code',
  })
})

test('no reply and no log line of any of this holds the AppSecret, a code or a session_key', async () => {
  const code = gateway.simulator.login(APPID, 'searched')
  const replies = [await gateway.post('/api/login', { appid: APPID, code })]
  for (const fault of [
    { errcode: 40125, errmsg: `invalid ${APP_SECRET}` },
    { body: `<p>${APP_SECRET}</p>` },
    { drop: true },
  ]) {
    replies.push(await loginUnder(fault))
    gateway.simulator.clearFaults()
  }
  const all = gateway.logs() + JSON.stringify(replies)
  expect(gateway.logs()).toContain('code2Session')
  for (const secret of [APP_SECRET, code, gateway.simulator.sessionKeyOf(APPID, 'searched')])
    expect(all).not.toContain(secret)
})
