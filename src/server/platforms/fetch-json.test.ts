/** The one caller upstream, against a real server on loopback that behaves in every way but well. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createUndiciSender, fetchJson } from './fetch-json.ts'
import { PlatformError, type PlatformFailure } from './platform.ts'

const SECRET = 'app-secret-8d1f'
const sender = createUndiciSender({ connections: 4 })
const seen: string[] = []
let server: Server
let base: string

const answers: Record<string, (request: IncomingMessage, response: ServerResponse) => void> = {
  '/ok': (_, response) => response.setHeader('content-type', 'text/plain').end('{"openid":"o1"}'),
  '/redirect': (_, response) => response.writeHead(302, { location: `${base}/ok` }).end(),
  '/hang': () => undefined,
  '/drip': (_, response) => {
    response.write('{"openid":"')
    const timer = setInterval(() => response.write('x'), 20)
    response.on('close', () => clearInterval(timer))
  },
  '/endless': (_, response) => {
    const more = () => {
      while (!response.destroyed && response.write('x'.repeat(16_384)));
    }
    response.on('drain', more)
    more()
  },
  '/oversized': (_, response) => response.end(`{"openid":"${'x'.repeat(300_000)}"}`),
  '/status': (_, response) => response.writeHead(500).end('{"errcode":0}'),
  '/empty': (_, response) => response.end(),
  '/html': (_, response) => response.end(`<html>${SECRET}</html>`),
  '/truncated': (_, response) => response.end('{"openid":"o1"'),
  '/list': (_, response) => response.end('[]'),
  '/null': (_, response) => response.end('null'),
  '/broken': (_, response) => {
    response.writeHead(200, { 'content-length': '100' }).write('{"open')
    setTimeout(() => response.destroy(), 10)
  },
  '/reset': (request) => request.socket.destroy(),
  '/echo': (request, response) => {
    let body = ''
    request.on('data', (chunk) => {
      body += chunk
    })
    request.on('end', () =>
      response.end(JSON.stringify({ method: request.method, body, type: request.headers['x-a'] })),
    )
  },
}

beforeAll(async () => {
  server = createServer((request, response) => {
    const path = new URL(request.url ?? '', base).pathname
    seen.push(path)
    answers[path]?.(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterAll(async () => {
  await sender.close()
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

const get = (path: string, timeoutMs = 2000, origin = base) =>
  fetchJson(sender.send, { operation: 'op', method: 'GET', url: `${origin}${path}?secret=${SECRET}`, timeoutMs })

async function failureOf(promise: Promise<unknown>): Promise<PlatformError> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (error instanceof PlatformError) return error
  throw new Error('did not fail as it should', { cause: error })
}

test('JSON is read whatever its Content-Type', async () => {
  expect(await get('/ok')).toEqual({ openid: 'o1' })
})

test('method, headers and body arrive', async () => {
  const request = { operation: 'op', method: 'POST', url: `${base}/echo`, headers: { 'x-a': 'b' }, body: '{}' } as const
  expect(await fetchJson(sender.send, { ...request, timeoutMs: 2000 })).toEqual({
    method: 'POST',
    body: '{}',
    type: 'b',
  })
})

describe('a failure is one of the typed ones, and says nothing of what was sent or received', () => {
  test.each<[string, PlatformFailure, number]>([
    ['/hang', 'timeout', 150],
    ['/drip', 'timeout', 150],
    ['/endless', 'body', 2000],
    ['/oversized', 'body', 2000],
    ['/redirect', 'status', 2000],
    ['/status', 'status', 2000],
    ['/empty', 'body', 2000],
    ['/html', 'body', 2000],
    ['/truncated', 'body', 2000],
    ['/list', 'body', 2000],
    ['/null', 'body', 2000],
    ['/broken', 'unreachable', 2000],
    ['/reset', 'unreachable', 2000],
  ])('%s is %s', async (path, failure, timeoutMs) => {
    const error = await failureOf(get(path, timeoutMs))
    expect(error.failure).toBe(failure)
    expect(`${error.stack} ${JSON.stringify(error)} ${String(error.cause)}`).not.toContain(SECRET)
  })

  test('a redirect is not followed', async () => {
    seen.length = 0
    await failureOf(get('/redirect'))
    expect(seen).toEqual(['/redirect'])
  })

  test('nothing listens', async () => {
    expect(await failureOf(get('/ok', 2000, 'http://127.0.0.1:9'))).toMatchObject({ failure: 'unreachable' })
  })
})

describe('a kept connection that is reset before a byte of the reply', () => {
  /** Serves the first request of a connection and resets it at the second, as a server does that closed it meanwhile. */
  async function resettingServer() {
    const served = new WeakSet<object>()
    const methods: string[] = []
    const resetting = createServer((request, response) => {
      methods.push(request.method ?? '')
      if (served.has(request.socket)) return void request.socket.resetAndDestroy()
      served.add(request.socket)
      request.resume().on('end', () => response.end('{"openid":"o1"}'))
    })
    await new Promise<void>((resolve) => resetting.listen(0, '127.0.0.1', resolve))
    return { resetting, methods, origin: `http://127.0.0.1:${(resetting.address() as AddressInfo).port}` }
  }
  const own = createUndiciSender({ connections: 1 })
  afterAll(() => own.close())

  test('a GET is sent once more, on a fresh connection; a POST is not', async () => {
    const { resetting, methods, origin } = await resettingServer()
    const send = (method: 'GET' | 'POST') =>
      fetchJson(own.send, { operation: 'op', method, url: `${origin}/`, timeoutMs: 2000 })
    expect(await send('GET')).toEqual({ openid: 'o1' })
    expect(await send('GET')).toEqual({ openid: 'o1' })
    expect(methods).toEqual(['GET', 'GET', 'GET'])
    expect(await send('POST')).toEqual({ openid: 'o1' })
    expect(await failureOf(send('POST'))).toMatchObject({ failure: 'unreachable' })
    expect(methods.slice(3)).toEqual(['POST', 'POST'])
    resetting.closeAllConnections()
    resetting.close()
  })

  test('once, and no more', async () => {
    seen.length = 0
    expect(await failureOf(get('/reset'))).toMatchObject({ failure: 'unreachable' })
    expect(seen).toEqual(['/reset', '/reset'])
  })
})

test('a caller behind others that hang is given up on in its own time, and then the connections serve again', async () => {
  const hanging = Array.from({ length: 4 }, () => failureOf(get('/hang', 400)))
  const waiting = await failureOf(get('/ok', 100))
  expect(waiting.failure).toBe('timeout')
  await Promise.all(hanging)
  expect(await get('/ok')).toEqual({ openid: 'o1' })
})
