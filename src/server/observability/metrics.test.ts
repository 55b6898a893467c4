/** What operators see: the metrics page, the log lines, and what is left out of both. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { serveRoutes } from '../../dev/testing/serve-routes.ts'
import { APP_SECRET, APPID, startTestGateway, type TestGateway } from '../../dev/testing/test-gateway.ts'
import { route } from '../http/route.ts'

describe('what operators see', () => {
  let gateway: TestGateway
  beforeAll(async () => {
    gateway = await startTestGateway()
  })
  afterAll(() => gateway.close())

  const page = async () => (await gateway.internalApp.request('/metrics')).text()
  const linesAfter = async (act: () => Promise<unknown>): Promise<Record<string, unknown>[]> => {
    const before = gateway.logs().length
    await act()
    const text = gateway.logs().slice(before).trim()
    return text === '' ? [] : text.split('\n').map((line) => JSON.parse(line))
  }

  test('the metrics page tells pool, dependencies, breakers and keys, on the internal listener alone', async () => {
    const reply = await gateway.internalApp.request('/metrics')
    expect(reply.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/)
    const text = await reply.text()
    for (const state of ['busy', 'idle', 'waiting']) expect(text).toMatch(`gateway_db_pool{state="${state}"} `)
    for (const dependency of ['postgres', 'redis']) {
      expect(text).toContain(`gateway_dependency_up{dependency="${dependency}"} 1`)
      expect(text).toContain(`gateway_breaker_open{dependency="${dependency}"} 0`)
    }
    expect(text).toContain('gateway_breaker_open{dependency="wechat"} 0')
    expect(text).toMatch(/gateway_signing_key_age_seconds\{state="active"\} \d/)
    const next = Number(/^gateway_signing_key_next_rotation_seconds (\S+)$/m.exec(text)?.[1])
    expect(next).toBeGreaterThan(2_592_000 - 60)
    expect(next).toBeLessThanOrEqual(2_592_000)
    expect((await gateway.publicApp.request('/metrics')).status).toBe(404)
  })

  test('documents, probes and metrics are counted by route, and write no log line', async () => {
    const lines = await linesAfter(async () => {
      await gateway.publicApp.request('/.well-known/jwks.json')
      await gateway.publicApp.request('/.well-known/openid-configuration')
      await gateway.internalApp.request('/readyz')
      await page()
    })
    expect(lines).toEqual([])
    const text = await page()
    expect(text).toContain(
      'gateway_http_requests_total{listener="public",route="/.well-known/jwks.json",method="GET",status="200"} 1',
    )
    expect(text).toContain(
      'gateway_http_requests_total{listener="internal",route="/readyz",method="GET",status="200"} 1',
    )
  })

  test('a login is one line with request id, route, status, duration and user, and nothing secret', async () => {
    const code = gateway.simulator.login(APPID, 'logged')
    let reply: Awaited<ReturnType<TestGateway['post']>> | undefined
    const lines = await linesAfter(async () => {
      reply = await gateway.post('/api/login', { code }, { 'x-request-id': 'request-of-the-test' })
    })
    expect(lines).toHaveLength(1)
    expect(lines[0]).toMatchObject({
      requestId: 'request-of-the-test',
      method: 'POST',
      route: '/api/login',
      status: 200,
      durationMs: expect.any(Number),
      userId: reply?.body.data.user_id,
    })
    const told = gateway.logs() + (await page())
    const openid = gateway.simulator.openidOf(APPID, 'logged')
    const sessionKey = gateway.simulator.sessionKeyOf(APPID, 'logged')
    for (const secret of [code, openid, sessionKey, APP_SECRET, reply?.body.data.token, reply?.body.data.refresh_token])
      expect(told).not.toContain(secret)
  })

  test('calls to the platform are counted by outcome, and an error code the platform made up is no label', async () => {
    await gateway.login('counted')
    gateway.simulator.fail({ errcode: 40029, times: 1 })
    await gateway.login('counted')
    gateway.simulator.fail({ errcode: 987654, times: 1 })
    await gateway.login('counted')
    const text = await page()
    const labels = (outcome: string) =>
      `gateway_upstream_requests_total{platform="wechat",operation="exchange",outcome="${outcome}"}`
    for (const outcome of ['ok', '40029', 'unknown']) expect(text).toContain(labels(outcome))
    expect(text).toContain('gateway_upstream_duration_seconds_count{platform="wechat",operation="exchange"}')
  })

  test('paths that nobody serves are counted under one route', async () => {
    await gateway.publicApp.request('/wp-login.php')
    await gateway.publicApp.request('/.env')
    const text = await page()
    expect(text).toContain('gateway_http_requests_total{listener="public",route="none",method="GET",status="404"} ')
    expect(text).not.toContain('wp-login')
  })
})

test('a document that fails is answered like any failure and logged, without its cause outside', async () => {
  const document = route(
    { method: 'get', path: '/document', tag: '', summary: '', access: 'public', document: true, replies: {} },
    () => {
      throw new Error('the cause')
    },
  )
  const { app, logs } = serveRoutes([document])
  const reply = await app.request('/document')
  const text = await reply.text()
  expect([reply.status, JSON.parse(text).code]).toEqual([500, 'B0001'])
  expect(text).not.toContain('the cause')
  expect(logs()).toContain('the cause')
  expect(logs()).toContain(JSON.parse(text).request_id)
})
