/** The renderer of failures: whatever is thrown, the caller gets a code of the contract and none of the private words. */
import fc from 'fast-check'
import { Hono } from 'hono'
import { describe, expect, test } from 'vitest'
import { type ErrorCode, errorCodes, GatewayError } from '../errors.ts'
import { PlatformError } from '../platforms/platform.ts'
import { CacheUnavailable } from '../storage/cache.ts'
import { DatabaseUnavailable } from '../storage/sqlstate.ts'
import { type GatewayEnv, openRequest } from './context.ts'
import { classify, failure, success } from './envelope.ts'

const SECRET = 'private-4c1d9e'

async function render(thrown: unknown, headers: Record<string, string> = {}) {
  const app = new Hono<GatewayEnv>()
  app.get('/', (c) => {
    c.set('request', openRequest(c, 0))
    return failure(c, thrown)
  })
  const reply = await app.request('/', { headers })
  return { status: reply.status, headers: reply.headers, text: await reply.text() }
}

const withCode = (code: string) => Object.assign(new Error(SECRET), { code })

const thrown: fc.Arbitrary<unknown> = fc.oneof(
  fc.anything(),
  fc.anything().map((cause) => new Error(SECRET, { cause })),
  fc
    .constantFrom(...(Object.keys(errorCodes) as ErrorCode[]))
    .map((code) => new GatewayError(code, { note: SECRET, cause: new Error(SECRET) })),
  fc
    .constantFrom('unreachable', 'timeout', 'status', 'body', 'refused', 'busy')
    .map((kind) => new PlatformError(SECRET, kind as 'busy', { errcode: SECRET, note: SECRET })),
  fc.constantFrom('ECONNREFUSED', '57P01', '53300', '08006', '22021', '23505', 'EPERM').map(withCode),
  fc.constant(new CacheUnavailable(new Error(SECRET))),
  fc.constant(new DatabaseUnavailable(new Error(SECRET))),
  fc.constant(new AggregateError([withCode('ECONNREFUSED')], SECRET)),
)

test('anything thrown becomes a code of the contract with its status, and nothing private shows', async () => {
  await fc.assert(
    fc.asyncProperty(thrown, async (value) => {
      const { status, text } = await render(value)
      const body = JSON.parse(text)
      expect(Object.keys(body)).toEqual(['code', 'msg', 'data', 'request_id'])
      expect(errorCodes[body.code as ErrorCode].status).toBe(status)
      expect(body.msg).toBe(errorCodes[body.code as ErrorCode].zh)
      expect(body.data).toBeNull()
      expect(text).not.toContain(SECRET)
    }),
  )
})

/** Section 3 of the contract, and A0505 (If-Match) beside it. */
const contract: Record<ErrorCode, number> = {
  A0400: 400,
  A0427: 400,
  A0223: 401,
  A0230: 401,
  A0220: 401,
  A0202: 403,
  A0203: 403,
  A0321: 403,
  A0322: 403,
  A0312: 403,
  A0404: 404,
  A0506: 409,
  A0240: 409,
  A0340: 400,
  A0430: 400,
  A0413: 413,
  A0415: 415,
  A0501: 429,
  C0401: 429,
  B0001: 500,
  B0210: 503,
  B0320: 503,
  C0001: 502,
  C0200: 504,
  A0505: 412,
}

test('codes and statuses are those of the contract', () => {
  const ours = Object.fromEntries(Object.entries(errorCodes).map(([code, { status }]) => [code, status]))
  expect(ours).toEqual(contract)
})

test('every message is there in Chinese and in English', () => {
  for (const { zh, en } of Object.values(errorCodes)) {
    expect(zh).toMatch(/[\u4e00-\u9fff]/)
    expect(en).toMatch(/^[\x20-\x7e]+$/)
  }
})

test.each<[string | undefined, 'zh' | 'en']>([
  [undefined, 'zh'],
  ['en', 'en'],
  ['en-US,en;q=0.9', 'en'],
  ['zh-CN,zh;q=0.9,en;q=0.8', 'zh'],
  ['fr', 'zh'],
])('Accept-Language "%s" is answered in %s', async (language, expected) => {
  const { text } = await render(
    new GatewayError('A0404'),
    language === undefined ? {} : { 'accept-language': language },
  )
  expect(JSON.parse(text).msg).toBe(errorCodes.A0404[expected])
})

describe('what is thrown for an outage', () => {
  test.each<[unknown, ErrorCode]>([
    [new CacheUnavailable(undefined), 'B0320'],
    [new DatabaseUnavailable(withCode('57P01')), 'B0320'],
    [new PlatformError('code2Session', 'timeout'), 'C0200'],
    [withCode('23505'), 'B0001'],
    [undefined, 'B0001'],
    ['a string', 'B0001'],
  ])('%s is %s', (value, code) => {
    expect(classify(value).code).toBe(code)
  })
})

test('headers: a 401 says why, a wait says how long, and no failure is cached', async () => {
  const refused = await render(new GatewayError('A0230'))
  expect(refused.headers.get('www-authenticate')).toBe('Bearer error="invalid_token"')
  const down = await render(new CacheUnavailable(undefined))
  expect(down.headers.get('retry-after')).toBe('2')
  expect([refused, down].map((reply) => reply.headers.get('cache-control'))).toEqual(['no-store', 'no-store'])
})

test('a request id that could break a log line is replaced by one of ours', async () => {
  for (const id of ['short', 'x'.repeat(65), 'with space 1', '{"a":1}..']) {
    expect(JSON.parse((await render(new Error(), { 'x-request-id': id })).text).request_id).not.toBe(id)
  }
  expect(JSON.parse((await render(new Error(), { 'x-request-id': 'trace-0001' })).text).request_id).toBe('trace-0001')
})

test('a success without data says null', async () => {
  const app = new Hono<GatewayEnv>()
  app.get('/', (c) => {
    c.set('request', openRequest(c, 0))
    return success(c, undefined, { zh: '好', en: 'ok' })
  })
  expect(await (await app.request('/')).json()).toEqual({ code: '00000', msg: '好', data: null })
})
