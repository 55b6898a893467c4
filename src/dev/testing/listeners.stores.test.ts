/** Bodies and requests as they come over a real connection: chunked, endless, broken off, or no HTTP at all. */
import type { Server as HttpServer } from 'node:http'
import { connect, Server } from 'node:net'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { type Listener, listen } from '../../server/serve/listeners.ts'
import { ADMIN_SECRET, forEachRoute, pathOf, type Target, takesJson } from './malformed.ts'
import { APPID, startTestGateway, type TestGateway } from './test-gateway.ts'

let gateway: TestGateway
let token: string
let listeners: Record<'public' | 'internal', Listener>
beforeAll(async () => {
  gateway = await startTestGateway({
    environment: { ADMIN_TOKENS: `all:admin+introspect+revoke+open-data:${ADMIN_SECRET}` },
  })
  token = (await gateway.login('victim')).body.data.token
  const anywhere = { host: '127.0.0.1', port: 0 }
  const [open, internal] = await Promise.all([
    listen(gateway.publicApp, anywhere),
    listen(gateway.internalApp, anywhere),
  ])
  listeners = { public: open, internal }
})
afterAll(async () => {
  await Promise.all(Object.values(listeners).map((listener) => listener.close(100)))
  await gateway.close()
})

/** Writes bytes as they stand and answers all that came back. */
async function exchange(base: string, parts: (string | Buffer)[]): Promise<string> {
  const { hostname, port } = new URL(base)
  return await new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => {
      for (const part of parts) socket.write(part)
    })
    let text = ''
    socket.on('data', (chunk) => {
      text += chunk
      if (/\r\n\r\n[\s\S]*\}(\r\n0\r\n\r\n)?$/.test(text)) socket.destroy()
    })
    socket.on('error', reject)
    socket.on('close', () => resolve(text))
  })
}
const head = (target: Target, ...lines: string[]) =>
  [
    `${target.method.toUpperCase()} ${pathOf(target)} HTTP/1.1`,
    'Host: x',
    'Content-Type: application/json',
    ...(target.access === 'public' ? [] : [`Authorization: Bearer ${target.access === 'user' ? token : ADMIN_SECRET}`]),
    ...lines,
    '',
    '',
  ].join('\r\n')
const chunk = (text: string) => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`
const CHUNKED = 'Transfer-Encoding: chunked'

test.each<[string, string[], RegExp]>([
  ['of wrong type', [chunk('[1,'), chunk('2]'), '0\r\n\r\n'], /^HTTP\/1.1 400 [\s\S]*"A0400"/],
  ['that is not JSON', [chunk('{"co'), '0\r\n\r\n'], /^HTTP\/1.1 400 [\s\S]*"A0427"/],
  ['that never ends', Array(40).fill(chunk('x'.repeat(16_384))), /^HTTP\/1.1 413 [\s\S]*"A0413"/],
])('a chunked body %s is refused', async (_what, chunks, expected) => {
  await forEachRoute(gateway, takesJson, async (target) => {
    expect(await exchange(listeners[target.listener].url, [head(target, CHUNKED), ...chunks])).toMatch(expected)
  })
})

test('a body that is declared too large is refused before it is sent', async () => {
  await forEachRoute(gateway, takesJson, async (target) => {
    const answer = await exchange(listeners[target.listener].url, [head(target, 'Content-Length: 1000000')])
    expect(answer).toMatch(/^HTTP\/1.1 413 [\s\S]*"A0413"/)
  })
})

test('broken HTTP is refused and takes nobody down', async () => {
  for (const text of [
    'GARBAGE\r\n\r\n',
    'POST /api/login HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n',
    `GET /${'x'.repeat(20_000)} HTTP/1.1\r\nHost: x\r\n\r\n`,
    'POST /api/login HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  ])
    expect(await exchange(listeners.public.url, [text])).toMatch(/^HTTP\/1.1 4\d\d /)
  expect((await fetch(`${listeners.internal.url}/livez`)).status).toBe(200)
})

test('a health check by HTTP/1.0, which names no host, is answered', async () => {
  expect(await exchange(listeners.internal.url, ['GET /livez HTTP/1.0\r\n\r\n'])).toMatch(/^HTTP\/1.1 200 /)
})

test('a client that goes away in the middle of its body is no defect of ours', async () => {
  const mark = gateway.logs().length
  await forEachRoute(gateway, takesJson, async (target) => {
    const { hostname, port } = new URL(listeners[target.listener].url)
    const socket = connect(Number(port), hostname)
    socket.on('error', () => undefined)
    await new Promise<void>((resolve) =>
      socket.write(`${head(target, 'Content-Length: 100')}{"code":`, () => resolve()),
    )
    await new Promise((resolve) => setTimeout(resolve, 30))
    socket.destroy()
  })
  await new Promise((resolve) => setTimeout(resolve, 200))
  const logged = gateway.logs().slice(mark)
  expect(logged).toContain('the body broke off')
  expect(logged).not.toContain('"level":50')
})

test.each<[string, string[]]>([
  ['headers that do not end', ['GET /api/user HTTP/1.1\r\nHost: x\r\nX-Slow: ']],
  [
    'a body of which nothing comes',
    [
      'PUT /api/user/avatar HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: 1000\r\n\r\n',
    ],
  ],
])('a client that sends %s is cut off within a second of its time', async (_, parts) => {
  const limits = { headersTimeout: 300, requestTimeout: 300 }
  const listener = await listen(gateway.publicApp, { host: '127.0.0.1', port: 0 }, limits)
  const before = performance.now()
  await exchange(listener.url, parts)
  // Node alone would look at its connections after 30 s.
  expect(performance.now() - before).toBeLessThan(5000)
  await listener.close(100)
})

test('without trusted proxies the address is that of the connection, whatever X-Forwarded-For says', async () => {
  const code = gateway.simulator.login(APPID, 'forwarded')
  const headers = { 'content-type': 'application/json', 'x-forwarded-for': '198.51.100.7, 203.0.113.9' }
  const url = `${listeners.public.url}/api/login`
  const login = await fetch(url, { method: 'POST', headers, body: JSON.stringify({ code }) })
  const { data } = (await login.json()) as { data: { token: string; user_id: string } }
  const sessions = await gateway.call('GET', '/api/sessions', { token: data.token })
  expect(sessions.body.data).toMatchObject([{ ip: '127.0.0.1' }])
  const trail = await gateway.internal('GET', `/admin/audit?user_id=${data.user_id}`, { token: ADMIN_SECRET })
  expect(trail.body.data.items).toMatchObject([{ kind: 'login', ip: '127.0.0.1' }])
})

test('the internal listener believes no X-Forwarded-For, however many proxies the public one trusts', async () => {
  const replica = await gateway.replica({ TRUSTED_PROXY_HOPS: '1' })
  const internal = await listen(replica.internalApp, { host: '127.0.0.1', port: 0 })
  const { user_id } = (await replica.login('suspended from afar')).body.data
  const headers = { authorization: `Bearer ${ADMIN_SECRET}`, 'x-forwarded-for': '198.51.100.7' }
  const reply = await fetch(`${internal.url}/admin/users/${user_id}/suspend`, { method: 'POST', headers })
  expect(reply.status).toBe(200)
  const trail = await gateway.internal('GET', `/admin/audit?user_id=${user_id}&kind=user_suspended`, {
    token: ADMIN_SECRET,
  })
  expect(trail.body.data.items).toMatchObject([{ actor: 'operator:all', ip: '127.0.0.1' }])
  await internal.close(100)
})

test('what production listens with gives headers 10 s and a request 15 s', async () => {
  const started = vi.spyOn(Server.prototype, 'listen')
  const listener = await listen(gateway.publicApp, { host: '127.0.0.1', port: 0 })
  const [server] = started.mock.contexts as HttpServer[]
  expect(server).toMatchObject({ headersTimeout: 10_000, requestTimeout: 15_000 })
  started.mockRestore()
  await listener.close(100)
})

test('a thousand requests of one user that never send their bodies keep nobody else waiting', async () => {
  const { hostname, port } = new URL(listeners.public.url)
  const slow = (await gateway.login('slow')).body.data.token
  const paths = ['PATCH /api/user', 'POST /api/tickets', 'POST /api/user/phone', 'DELETE /api/user', 'POST /api/login']
  const sockets = Array.from({ length: 1000 }, () => connect(Number(port), hostname).on('error', () => undefined))
  await Promise.all(
    sockets.map(
      (socket, n) =>
        new Promise<void>((resolve) =>
          socket.write(
            `${paths[n % paths.length]} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer ${slow}\r\nContent-Length: 5000\r\n\r\n{"`,
            () => resolve(),
          ),
        ),
    ),
  )
  const before = performance.now()
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  const code = gateway.simulator.login(APPID, 'quick')
  const replies = await Promise.all([
    fetch(`${listeners.public.url}/api/user`, { headers }),
    fetch(`${listeners.public.url}/api/login`, { method: 'POST', headers, body: JSON.stringify({ code }) }),
    fetch(`${listeners.internal.url}/verify`, { headers }),
  ])
  expect(replies.map(({ status }) => status)).toEqual([200, 200, 200])
  // Well before the slow ones are cut off, after 15 s.
  expect(performance.now() - before).toBeLessThan(10_000)
  for (const socket of sockets) socket.destroy()
})
