/** Traces as a collector gets them: an OTLP receiver on loopback, real stores, one login. */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Hono } from 'hono'
import { afterAll, beforeAll, describe, expect, inject, test, vi } from 'vitest'
import { openTestStores, type TestStores } from '../../dev/testing/real-stores.ts'
import { APP_SECRET, APPID, startTestGateway, type TestGateway } from '../../dev/testing/test-gateway.ts'
import { createRedisCache } from '../storage/cache.redis.ts'
import { createPostgres } from '../storage/database.ts'
import { startTracing, type Tracing } from './tracing.ts'

type Attribute = { key: string; value: Record<string, unknown> }
type ReceivedSpan = { traceId: string; spanId: string; parentSpanId?: string; name: string; attributes: Attribute[] }
type Received = { resourceSpans: { scopeSpans: { spans: ReceivedSpan[] }[] }[] }

const TRACE_ID = '4bf92f3577b34da6a3ce929d0e0e4736'
const PARENT_ID = '00f067aa0ba902b7'

describe.runIf(inject('stores') === 'real')('traces', () => {
  let collector: Server
  let received = ''
  const spans: ReceivedSpan[] = []
  let owned: TestStores
  let tracing: Tracing
  let gateway: TestGateway

  beforeAll(async () => {
    collector = createServer((request, reply) => {
      let body = ''
      request.on('data', (chunk) => {
        body += chunk
      })
      request.on('end', () => {
        received += body
        const { resourceSpans } = JSON.parse(body) as Received
        spans.push(...resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans)))
        reply.setHeader('content-type', 'application/json').end('{}')
      })
    })
    await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve))
    const { port } = collector.address() as AddressInfo
    tracing = await startTracing({ endpoint: `http://127.0.0.1:${port}`, serviceName: 'gateway under test', ratio: 1 })
    owned = await openTestStores()
    const database = createPostgres({ url: owned.databaseUrl, poolMax: 4, span: tracing.span })
    const cache = createRedisCache({ url: owned.redisUrl, keyPrefix: 'traced:', span: tracing.span })
    await vi.waitFor(() => expect(cache.available()).toBe(true))
    gateway = await startTestGateway({ stores: { ...owned, database, cache }, tracing })
  })
  afterAll(async () => {
    await gateway?.close()
    collector?.close()
  })

  test('one login is one trace under the incoming traceparent: HTTP, platform, PostgreSQL and Redis, and no secret', async () => {
    const traceparent = `00-${TRACE_ID}-${PARENT_ID}-01`
    const code = gateway.simulator.login(APPID, 'traced')
    const { status, body } = await gateway.post('/api/login?code=careless', { code }, { traceparent })
    expect(status).toBe(200)
    await gateway.post('/api/refresh', { refresh_token: body.data.refresh_token }, { traceparent })
    const failing = new Hono().use(tracing.middleware).get('/fails', () => {
      throw new Error('duplicate key value: 13812345678')
    })
    expect((await failing.request('/fails')).status).toBe(500)
    await tracing.close()

    const ours = spans.filter((span) => span.traceId === TRACE_ID)
    const request = ours.find((span) => span.name === 'POST /api/login')
    expect(request?.parentSpanId).toBe(PARENT_ID)
    const children = ours.filter((span) => span.parentSpanId === request?.spanId).map((span) => span.name)
    expect(children).toEqual(expect.arrayContaining(['redis set', 'platform code2Session', 'postgres sign_in']))
    const refresh = ours.find((span) => span.name === 'POST /api/refresh')
    const below = ours.filter((span) => span.parentSpanId === refresh?.spanId).map((span) => span.name)
    expect(below).toEqual(['postgres refresh_sessions'])

    expect(received).toContain('gateway under test')
    expect(received).toContain('exception.type')
    const openid = gateway.simulator.openidOf(APPID, 'traced')
    const sessionKey = gateway.simulator.sessionKeyOf(APPID, 'traced')
    const { token, refresh_token: refreshToken } = body.data
    for (const secret of [
      code,
      openid,
      sessionKey,
      APP_SECRET,
      token,
      refreshToken,
      'js_code',
      'careless',
      '13812345678',
    ])
      expect(received).not.toContain(secret)
  })
})
