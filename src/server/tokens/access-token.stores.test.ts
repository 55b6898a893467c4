/** How long an access token lives beside its session, on the whole gateway with the clock in hand. */
import { decodeJwt } from 'jose'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestGateway, type TestGateway } from '../../dev/testing/test-gateway.ts'
import { type TestClock, testClock } from '../clock.ts'

const ACCESS = 900

let clock: TestClock
let gateway: TestGateway
beforeAll(async () => {
  // Between two seconds, where rounding the wrong way shows.
  clock = testClock(new Date('2026-03-01T00:00:00.700Z'))
  gateway = await startTestGateway({ clock, environment: { ACCESS_TOKEN_TTL_SECONDS: String(ACCESS) } })
})
afterAll(() => gateway.close())

type Tokens = { token: string; refresh_token: string; expires_in: number; refresh_expires_in: number }

/** What the token and the reply say, in seconds from now on. */
function lifetimes({ token, expires_in, refresh_expires_in }: Tokens) {
  const { exp = 0, iat = 0 } = decodeJwt(token)
  const now = clock.now().getTime() / 1000
  return { exp: exp - now, expiresIn: exp - iat, told: expires_in, sessionEnds: refresh_expires_in }
}

async function tokensOf(reply: ReturnType<TestGateway['post']>): Promise<Tokens> {
  const { body } = await reply
  expect(body.code).toBe('00000')
  return body.data
}

test.each([
  ['absolute', { SESSION_TTL_SECONDS: '8' }],
  ['idle', { REFRESH_TOKEN_TTL_SECONDS: '8' }],
])('a token given at login expires no later than the %s end of its session', async (_limit, environment) => {
  const one = await gateway.replica(environment)
  const tokens = await tokensOf(one.login(`short ${_limit}`))
  const { exp, expiresIn, told, sessionEnds } = lifetimes(tokens)
  expect(sessionEnds).toBe(8)
  expect(exp).toBeLessThanOrEqual(8)
  expect(exp).toBeGreaterThan(6)
  expect(told).toBe(expiresIn)
  expect((await one.call('GET', '/api/user', { token: tokens.token })).status).toBe(200)
})

test('refreshing never gives a token that outlives the absolute end, nor one that is shorter than need be before', async () => {
  const one = await gateway.replica({ SESSION_TTL_SECONDS: '2000', REFRESH_TOKEN_TTL_SECONDS: '1500' })
  let tokens = await tokensOf(one.login('long'))
  expect(lifetimes(tokens).told).toBe(ACCESS)
  clock.advance(1000)
  tokens = await tokensOf(one.post('/api/refresh', { refresh_token: tokens.refresh_token }))
  expect(lifetimes(tokens).told).toBe(ACCESS)
  clock.advance(700)
  tokens = await tokensOf(one.post('/api/refresh', { refresh_token: tokens.refresh_token }))
  expect(lifetimes(tokens).exp).toBeLessThanOrEqual(300)
  expect(lifetimes(tokens).told).toBe(300)
  clock.advance(299.5)
  expect((await one.call('GET', '/api/user', { token: tokens.token })).status).toBe(401)
})

test('a code that is sent again gets a token that ends with the session it opened the first time', async () => {
  const one = await gateway.replica({ SESSION_TTL_SECONDS: '30' })
  const code = one.simulator.login(String(one.config.apps[0]?.appid), 'repeated')
  await tokensOf(one.post('/api/login', { code }))
  clock.advance(10)
  const again = await tokensOf(one.post('/api/login', { code }))
  expect(lifetimes(again).exp).toBeLessThanOrEqual(20)
  expect(lifetimes(again).sessionEnds).toBe(20)
})
