/** Who is not WeChat, and WeChat in a mode that proves nothing: refused with a reason, and nothing kept or done. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { encryptPush, signPush } from '../../dev/simulator/wechat-crypto.ts'
import { PUSH_KEY, PUSH_TOKEN, type Push, pushEnvironment, pushOf, sendPush } from '../../dev/testing/push.ts'
import { APPID, startTestGateway, type TestGateway } from '../../dev/testing/test-gateway.ts'

let gateway: TestGateway
let kept: number
beforeAll(async () => {
  gateway = await startTestGateway({ environment: pushEnvironment })
})
afterAll(() => gateway.close())
beforeEach(async () => {
  kept = await count()
})

async function count(): Promise<number> {
  const [row] = await gateway.stores.database.run<{ n: number }>(
    { name: 'kept', text: 'select count(*)::int as n from platform_events' },
    [],
  )
  return row?.n ?? -1
}
const cancellation = { Event: 'user_authorization_cancellation', OpenID: 'o1', CreateTime: 1, MsgType: 'event' }
const outcomes = async () => await gateway.metrics.registry.getSingleMetricAsString('gateway_platform_pushes_total')

async function refused(push: Push, outcome: string, status = 400): Promise<string> {
  const reply = await sendPush(gateway, push)
  expect([reply.status, await count()]).toEqual([status, kept])
  expect(await outcomes()).toContain(`outcome="${outcome}"`)
  return reply.text
}
const signed = (
  encrypted: string,
  more: Record<string, unknown> = {},
  timestamp = String(Math.floor(Date.now() / 1000)),
) => ({
  query: {
    timestamp,
    nonce: 'n',
    signature: signPush(PUSH_TOKEN, timestamp, 'n'),
    msg_signature: signPush(PUSH_TOKEN, timestamp, 'n', encrypted),
  },
  body: JSON.stringify({ ToUserName: 'gh_1', Encrypt: encrypted, ...more }),
})

describe('a push is refused', () => {
  test.each<[string, Push]>([
    ['signed with another token', pushOf(cancellation, { token: 'AnotherToken' })],
    ['signed with nothing', { ...pushOf(cancellation), query: { timestamp: '1', nonce: 'n' } }],
    [
      'with the signature of the query alone',
      withQuery((query) => ({ ...query, msg_signature: query.signature ?? '' })),
    ],
    ['with another timestamp', withQuery((query) => ({ ...query, timestamp: String(Number(query.timestamp) + 1) }))],
    ['with another nonce', withQuery((query) => ({ ...query, nonce: '1' }))],
    [
      'with another body under the same query',
      { ...pushOf(cancellation), body: pushOf({ ...cancellation, OpenID: 'o2' }).body },
    ],
    ['in plain mode, unsigned', { query: { timestamp: '1', nonce: 'n' }, body: JSON.stringify(cancellation) }],
  ])('%s', async (_what, push) => {
    expect(await refused(push, 'bad_signature')).toContain('A0340')
  })

  test('made for another app, though its signature is good', async () => {
    await refused(pushOf(cancellation, { appid: 'wx_of_another_app' }), 'other_app')
    expect(gateway.logs()).toContain('is made for another appid')
  })

  test('encrypted with another key, though its signature is good', async () => {
    await refused(pushOf(cancellation, { encodingAesKey: 'Z'.repeat(43) }), 'undecipherable')
    expect(gateway.logs()).toContain('compare its EncodingAESKey')
  })

  test.each([
    ['two days old', -2 * 86_400],
    ['an hour ahead', 3600],
  ])('that is %s', async (_what, seconds) => {
    await refused(pushOf(cancellation, { at: Date.now() / 1000 + seconds }), 'stale')
  })

  test.each([
    '{}',
    '[]',
    '{"Encrypt":7',
    '',
    'x',
    '<xml>',
    `<!DOCTYPE a [<!ENTITY b "c">]><xml><Encrypt>&b;</Encrypt></xml>`,
  ])('whose body is %s', async (body) => {
    const reply = await sendPush(gateway, { ...pushOf(cancellation), body })
    // Without Encrypt it is a plain push.
    expect([400, await count()]).toEqual([reply.status, kept])
  })

  test('of more than 64 KiB, before it is read', async () => {
    const reply = await sendPush(gateway, pushOf({ ...cancellation, Content: 'x'.repeat(70_000) }))
    expect([reply.status, await count()]).toEqual([413, kept])
  })

  test('to an app without push, or to none', async () => {
    expect((await sendPush(gateway, pushOf(cancellation), { appid: 'wx_of_nobody' })).status).toBe(404)
    expect((await sendPush(gateway, pushOf(cancellation), { appid: '..%2f' })).status).toBe(404)
  })

  function withQuery(change: (query: Push['query']) => Push['query']): Push {
    const push = pushOf(cancellation)
    return { ...push, query: change(push.query) }
  }
})

describe('a mode that does not protect the body is refused with a reason that the operator can read', () => {
  test('the plain mode', async () => {
    const { query } = signed('')
    const text = await refused({ query, body: JSON.stringify(cancellation) }, 'plain_mode')
    expect(text).toContain('安全模式')
    expect(gateway.logs()).toContain(`ALERT: WeChat pushes the events of ${APPID} in plain mode`)
  })

  test('the compatible mode, in JSON and XML', async () => {
    const encrypted = encryptPush(JSON.stringify(cancellation), { encodingAesKey: PUSH_KEY, appid: APPID })
    await refused(signed(encrypted, cancellation), 'compatible_mode')
    const { query } = signed(encrypted)
    const body = `<xml><MsgType>event</MsgType><Encrypt>${encrypted}</Encrypt></xml>`
    await refused({ query, body }, 'compatible_mode')
    expect(gateway.logs()).toContain('in compatible mode, and only the secure mode is accepted')
  })
})

describe('the handshake', () => {
  const ask = async (query: Record<string, string>) => {
    const reply = await gateway.publicApp.request(`/platform-events/wechat/${APPID}?${new URLSearchParams(query)}`)
    return [reply.status, await reply.text(), reply.headers.get('content-type')]
  }
  const { query } = signed('')
  const text = 'text/plain; charset=UTF-8'

  test('answers echostr as it came', async () => {
    const { msg_signature: _, ...plain } = query
    expect(await ask({ ...plain, echostr: '4375120948345356249' })).toEqual([200, '4375120948345356249', text])
  })

  test('answers what an encrypted echostr holds', async () => {
    const echostr = encryptPush('4375120948345356249', { encodingAesKey: PUSH_KEY, appid: APPID })
    expect(await ask({ ...signed(echostr).query, echostr })).toEqual([200, '4375120948345356249', text])
  })

  test('gives a stranger nothing back', async () => {
    const [status, body] = await ask({ ...query, msg_signature: '0'.repeat(40), echostr: '<script>' })
    expect([status, String(body).includes('script')]).toEqual([400, false])
    expect((await ask({ timestamp: '1', nonce: 'n', echostr: 'x' }))[0]).toBe(400)
    expect((await ask({ ...query, timestamp: '1', echostr: 'x' }))[0]).toBe(400)
  })
})

test('wrong signatures are limited by address, and keep nobody out whose signature is good', async () => {
  const limited = await gateway.replica({
    RATE_LIMIT: 'on',
    TRUSTED_PROXY_HOPS: '1',
    RATE_LIMIT_BAD_PUSHES_PER_ADDRESS: '3/60',
  })
  const from = (address: string) => ({ headers: { 'x-forwarded-for': address } })
  const forged = () => sendPush(limited, pushOf(cancellation, { token: 'AnotherToken' }), from('203.0.113.9'))
  const statuses = []
  for (let n = 0; n < 5; n += 1) statuses.push((await forged()).status)
  expect(statuses).toEqual([400, 400, 400, 429, 429])
  const good = await sendPush(limited, pushOf({ ...cancellation, CreateTime: 2 }), from('203.0.113.9'))
  expect(good).toEqual({ status: 200, text: 'success' })
  expect((await sendPush(limited, pushOf(cancellation, { token: 'Other' }), from('203.0.113.10'))).status).toBe(400)
})

test('a recording of a good push does nothing again', async () => {
  const push = pushOf({ ...cancellation, CreateTime: 3 })
  for (let n = 0; n < 3; n += 1) expect(await sendPush(gateway, push)).toEqual({ status: 200, text: 'success' })
  expect(await count()).toBe(kept + 1)
})

test('Token, EncodingAESKey and what was encrypted stand in no log', () => {
  for (const secret of [PUSH_TOKEN, PUSH_KEY, cancellation.Event]) expect(gateway.logs()).not.toContain(secret)
})
