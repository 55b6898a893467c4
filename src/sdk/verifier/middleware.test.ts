/** The three middlewares keep the same promises, each in front of its real framework; the last tests use real HTTP throughout. */

import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import Fastify from 'fastify'
import { Hono } from 'hono'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { AUDIENCE, createTestIssuer, type TestIssuer, until } from '../../dev/testing/verifier.ts'
import { expressAuth, fastifyAuth, honoAuth } from './middleware.ts'
import { type AccessTokenClaims, createVerifier, type Verifier } from './verifier.ts'

declare global {
  namespace Express {
    interface Request {
      auth?: AccessTokenClaims
    }
  }
}

declare module 'fastify' {
  interface FastifyRequest {
    auth: AccessTokenClaims | null
  }
}

type Send = (path: string, headers?: Record<string, string>) => Promise<Response>

let gateway: TestIssuer
let verifier: Verifier
const closers: (() => unknown)[] = []

beforeAll(async () => {
  gateway = await createTestIssuer()
  verifier = createVerifier({ issuer: gateway.issuer, audience: AUDIENCE, fetch: gateway.fetch })
  closers.push(() => verifier.close())
})

afterAll(async () => {
  for (const close of closers) await close()
})

async function listen(server: Server): Promise<string> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closers.push(() => server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

function hono(by: Verifier): Promise<Send> {
  const app = new Hono<{ Variables: { auth: AccessTokenClaims } }>()
  app.onError((_error, c) => c.text('a defect', 500)) // Hono's own would print the error into the test's output.
  app.get('/me', honoAuth(by), (c) => c.json({ sub: c.get('auth').sub }))
  app.get('/admin', honoAuth(by, { anyRole: ['admin'] }), (c) => c.json({ sub: c.get('auth').sub }))
  return Promise.resolve(async (path, headers = {}) => app.request(path, { headers }))
}

async function viaExpress(by: Verifier): Promise<Send> {
  const app = express()
  app.get('/me', expressAuth(by), (request, response) => {
    response.json({ sub: request.auth?.sub })
  })
  app.get('/admin', expressAuth(by, { anyRole: ['admin'] }), (request, response) => {
    response.json({ sub: request.auth?.sub })
  })
  const base = await listen(createServer(app))
  return (path, headers = {}) => fetch(base + path, { headers })
}

async function fastify(by: Verifier): Promise<Send> {
  const app = Fastify()
  app.decorateRequest('auth', null)
  app.get('/me', { onRequest: fastifyAuth(by) }, async (request) => ({ sub: request.auth?.sub }))
  app.get('/admin', { preHandler: fastifyAuth(by, { anyRole: ['admin'] }) }, async ({ auth }) => ({ sub: auth?.sub }))
  closers.push(() => app.close())
  return async (path, headers = {}) => {
    const { statusCode, body, headers: replied } = await app.inject({ url: path, headers })
    return new Response(body, { status: statusCode, headers: replied as Record<string, string> })
  }
}

describe.each([
  ['Hono', hono],
  ['Express', viaExpress],
  ['Fastify', fastify],
])('behind %s', (_name, create) => {
  let send: Send
  beforeAll(async () => {
    send = await create(verifier)
  })

  test.each(['Bearer', 'bearer', 'BEARER'])('a good token (%s) lets the route see its claims', async (scheme) => {
    const response = await send('/me', { authorization: `${scheme} ${await gateway.token()}` })
    expect(response.status).toBe(200)
    expect(await response.json()).toEqual({ sub: 'user-1' })
  })

  test.each(['', 'Basic dXNlcjpwYXNz', 'Bearer', 'Bearer a b'])(
    '%j is answered 401 with a challenge',
    async (value) => {
      const response = await send('/me', value === '' ? {} : { authorization: value })
      expect(response.status).toBe(401)
      expect(response.headers.get('www-authenticate')).toBe(
        'Bearer error="invalid_token", error_description="token_missing"',
      )
      expect(response.headers.get('cache-control')).toBe('no-store')
      expect(await response.json()).toEqual({ code: 'A0230', msg: '登录已失效，请重新登录', data: null })
    },
  )

  test('a bad token is answered 401 with the reason', async () => {
    const token = await gateway.token({ claims: { exp: 1 } })
    const response = await send('/me', { authorization: `Bearer ${token}` })
    expect(response.status).toBe(401)
    expect(response.headers.get('www-authenticate')).toContain('error_description="token_expired"')
  })

  test('a token in the query is not taken', async () => {
    expect((await send(`/me?access_token=${await gateway.token()}`)).status).toBe(401)
  })

  test.each([
    [['admin', 'editor'], 200],
    [['editor'], 403],
    [[], 403],
    [undefined, 403],
  ])('a route for admins answers roles %j with %i', async (roles, status) => {
    const response = await send('/admin', { authorization: `Bearer ${await gateway.token({ claims: { roles } })}` })
    expect(response.status).toBe(status)
    if (status === 403) {
      expect(response.headers.get('www-authenticate')).toContain('error="insufficient_scope"')
      expect(await response.json()).toMatchObject({ code: 'A0312', data: null })
    }
  })

  test('an outage is answered 503 and never 401, so that nobody is logged out by it', async () => {
    const offline = createVerifier({ issuer: gateway.issuer, audience: AUDIENCE, fetch: () => Promise.reject() })
    closers.push(() => offline.close())
    const response = await (await create(offline))('/me', { authorization: `Bearer ${await gateway.token()}` })
    expect(response.status).toBe(503)
    expect(response.headers.get('retry-after')).toBe('5')
    expect(response.headers.has('www-authenticate')).toBe(false)
    expect(await response.json()).toMatchObject({ code: 'B0320', data: null })
  })

  test('a defect in the verifier lets nobody in', async () => {
    const broken: Verifier = { ...verifier, verify: () => Promise.reject(new Error('a defect')) }
    const sendToBroken = await create(broken)
    expect((await sendToBroken('/me', { authorization: 'Bearer x' })).status).toBe(500)
  })
})

describe('over real HTTP', () => {
  let http: TestIssuer
  let server: Server

  beforeAll(async () => {
    server = createServer(async (request, reply) => {
      const answer = await http.answer(request.url ?? '/', request.headers['if-none-match'] ?? null)
      reply.writeHead(answer.status, Object.fromEntries(answer.headers))
      reply.end(Buffer.from(await answer.arrayBuffer()))
    })
    http = await createTestIssuer({ issuer: await listen(server) })
  })

  test('a session that ends is refused, and with the gateway gone all stays as it was', async () => {
    http.overrides.set('/status-lists/1', async () => new Response(await http.statusList({ claims: { ttl: 1 } })))
    const its = createVerifier({ issuer: http.issuer, audience: AUDIENCE })
    closers.push(() => its.close())
    await its.ready()
    const [staying, ending] = [await http.token({ index: 1 }), await http.token({ index: 2 })]
    await expect(its.verify(ending)).resolves.toBeDefined()
    http.ended.add(2)
    let refused: unknown
    while (refused === undefined) {
      refused = await its.verify(ending).then(
        () => new Promise((resolve) => setTimeout(resolve, 50)),
        (error: unknown) => error,
      )
    }
    expect(refused).toMatchObject({ code: 'session_ended' })

    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
    await until(() => its.state().statusLists[0]?.failing === true)
    await expect(its.verify(ending)).rejects.toMatchObject({ code: 'session_ended' })
    await expect(its.verify(staying)).resolves.toBeDefined()
  })

  test('a redirect is not followed, wherever it leads', async () => {
    let followed = false
    const elsewhere = await listen(
      createServer((_request, reply) => {
        followed = true
        reply.end('{}')
      }),
    )
    const redirecting = await listen(
      createServer((_request, reply) => {
        reply.writeHead(302, { location: elsewhere }).end()
      }),
    )
    const its = createVerifier({ issuer: redirecting, audience: AUDIENCE })
    closers.push(() => its.close())
    await expect(its.ready()).rejects.toMatchObject({ code: 'keys_unavailable' })
    expect(followed).toBe(false)
  })
})
