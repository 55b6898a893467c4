/** Where a request came from, in which language, and under which id: over a real connection, and in every form that proxies write. */

import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { Server } from 'node:http'
import { Hono } from 'hono'
import { describe, expect, test } from 'vitest'
import { listen } from '../serve/listeners.ts'
import { actorOf, type GatewayEnv, languageOf, openRequest, operatorOf, rawReply, replyHeader } from './context.ts'

function appWith(hops: number) {
  const app = new Hono<GatewayEnv>()
  app.get('/', (c) => {
    const state = openRequest(c, hops)
    const before = languageOf(c)
    c.set('request', state)
    replyHeader(c, 'X-More', '1')
    const { requestId, ip, language } = state
    const said = {
      requestId,
      ip: ip ?? null,
      language,
      before,
      actor: actorOf(c),
      operator: operatorOf(c, { name: 'alice' }),
    }
    return rawReply(c, JSON.stringify(said), c.req.query('status') ? { status: 418, headers: { 'X-Own': '2' } } : {})
  })
  return app
}

type Said = {
  requestId: string
  ip: string | null
  language: string
  before: string
  actor: object
  operator: object
}

const PEER = '198.51.100.9'
async function ask(
  headers: Record<string, string> = {},
  { hops = 0, peer = PEER }: { hops?: number; peer?: string | null } = {},
) {
  const env = peer === null ? undefined : { incoming: { socket: { remoteAddress: peer } } }
  return (await (await appWith(hops).request('/', { headers }, env)).json()) as Said
}
const ipOf = async (forwarded: string | undefined, hops: number, peer?: string | null): Promise<string | null> =>
  (
    await ask(forwarded === undefined ? {} : { 'x-forwarded-for': forwarded }, {
      hops,
      ...(peer === undefined ? {} : { peer }),
    })
  ).ip

test('with no trusted proxy X-Forwarded-For is not believed, over a real connection', async () => {
  const limits: (keyof Server)[] = ['headersTimeout', 'requestTimeout', 'keepAliveTimeout']
  const seen: unknown[] = []
  const look = (message: unknown) => void seen.push(limits.map((name) => (message as { server: Server }).server[name]))
  subscribe('http.server.request.start', look)
  const listener = await listen(appWith(0), { host: '127.0.0.1', port: 0 })
  try {
    for (const headers of [
      undefined,
      { 'X-Forwarded-For': '203.0.113.7' },
      { 'X-Forwarded-For': '203.0.113.7, 127.0.0.2' },
    ]) {
      const reply = await fetch(listener.url, headers ? { headers } : {})
      expect(((await reply.json()) as Said).ip).toBe('127.0.0.1')
    }
    // Ten seconds for the headers, fifteen for the request; idle for longer than the balancers in front.
    expect(seen).toContainEqual([10_000, 15_000, 75_000])
  } finally {
    unsubscribe('http.server.request.start', look)
    await listener.close(100)
  }
})

describe('the address of the client', () => {
  test('is that of the connection where no proxy is trusted, whatever is written', async () => {
    expect(await ipOf(undefined, 0)).toBe(PEER)
    expect(await ipOf('203.0.113.7', 0)).toBe(PEER)
    expect(await ipOf('203.0.113.7', 0, '::ffff:198.51.100.9')).toBe(PEER)
    expect(await ipOf('203.0.113.7', 0, null)).toBeNull()
    expect(((await (await appWith(0).request('/', {}, {})).json()) as Said).ip).toBeNull()
  })

  test('is the entry of the outermost trusted proxy: what the client wrote before it does not count', async () => {
    expect(await ipOf('203.0.113.7', 1)).toBe('203.0.113.7')
    expect(await ipOf('10.0.0.1, 203.0.113.7', 1)).toBe('203.0.113.7')
    expect(await ipOf('10.0.0.1, 203.0.113.7 ,192.0.2.4', 2)).toBe('203.0.113.7')
    expect(await ipOf('203.0.113.7,192.0.2.4', 1)).toBe('192.0.2.4')
  })

  test.each([
    undefined,
    '',
    ' ',
    'unknown',
    '_hidden',
    '203.0.113',
    '[::1',
    'a:b',
    '203.0.113.7:port',
    '203.0.113.7:123456',
    'x203.0.113.7:80',
    '::ffff:203.0.113.7:80',
    '[2001:db8::1]:123456',
    'x[2001:db8::1]',
    '[2001:db8::1]x',
    '[]',
  ])('is that of the connection where the proxy wrote no address: %s', async (written) => {
    expect(await ipOf(written, 1)).toBe(PEER)
  })

  test('is that of the connection where fewer proxies wrote than are trusted', async () => {
    expect(await ipOf('203.0.113.7', 2)).toBe(PEER)
  })

  test('is the same with its port', async () => {
    for (const written of ['203.0.113.7:1', '203.0.113.7:50000', '::ffff:203.0.113.7', '[::ffff:203.0.113.7]:443'])
      expect([written, await ipOf(written, 1)]).toEqual([written, '203.0.113.7'])
    for (const written of ['2001:db8::1', '[2001:db8::1]', '[2001:db8::1]:5', '[2001:db8::1]:50000', '2001:DB8:0::1'])
      expect([written, await ipOf(written, 1)]).toEqual([written, '2001:db8::1'])
    expect(await ipOf('1.2.3.4:80', 1)).toBe('1.2.3.4')
    expect(await ipOf('203.113.117.217:80', 1)).toBe('203.113.117.217')
  })
})

test('a request has the id that it came with, where that is one, and else one of its own', async () => {
  for (const id of ['abcd1234', 'A.b-c_d.e', 'x'.repeat(64)])
    expect((await ask({ 'x-request-id': id })).requestId).toBe(id)
  for (const id of ['short', 'x'.repeat(65), 'with blank', 'abcd1234\tx', '"quoted1"', '<abcd1234', 'abcd1234>'])
    expect((await ask({ 'x-request-id': id })).requestId).toMatch(/^[\w-]{22}$/)
  expect((await ask()).requestId).toMatch(/^[\w-]{22}$/)
})

test('who acts is told to the audit trail with address and request id', async () => {
  const said = await ask({ 'x-request-id': 'abcd1234' })
  expect(said.actor).toEqual({ name: 'user', ip: PEER, requestId: 'abcd1234' })
  expect(said.operator).toEqual({ name: 'operator:alice', ip: PEER, requestId: 'abcd1234' })
})

test.each([
  [undefined, 'zh'],
  ['', 'zh'],
  ['fr', 'zh'],
  ['en', 'en'],
  ['EN-us', 'en'],
  ['zh-CN,en', 'zh'],
  ['en,zh-CN', 'en'],
  ['fr,en;q=0.5', 'en'],
  ['french, ZH', 'zh'],
  ['den', 'zh'],
  ['enx', 'zh'],
  ['xzh, en', 'en'],
  ['zhx, en', 'en'],
])('Accept-Language %s is answered in %s', async (accepted, language) => {
  const said = await ask(accepted === undefined ? {} : { 'accept-language': accepted })
  expect([said.language, said.before]).toEqual([language, language])
})

test('every reply has the headers of the house, beside its own', async () => {
  const reply = await appWith(0).request('/?status=1', { headers: { 'x-request-id': 'abcd1234' } })
  expect(reply.status).toBe(418)
  expect(Object.fromEntries(reply.headers)).toEqual({
    'content-type': 'application/json; charset=UTF-8',
    'x-content-type-options': 'nosniff',
    'x-request-id': 'abcd1234',
    'x-more': '1',
    'x-own': '2',
  })
  expect((await appWith(0).request('/')).status).toBe(200)
})
