/** The order of middleware and the list of mounts, for the public and the internal listener. */
import { Hono, type MiddlewareHandler } from 'hono'
import { routePath } from 'hono/route'
import { errorCodes, GatewayError } from '../errors.ts'
import type { Log } from '../observability/log.ts'
import type { Metrics } from '../observability/metrics.ts'
import type { Authenticate } from './auth.ts'
import { type GatewayContext, type GatewayEnv, openRequest } from './context.ts'
import { classify, failure } from './envelope.ts'
import { mount, type Route } from './route.ts'

export type HttpApp = Hono<GatewayEnv>

export type AppParts = {
  listener: 'public' | 'internal'
  routes: readonly Route[]
  /** Sub-apps with replies of their own form: documents, probes, standard OAuth endpoints. */
  subApps: readonly (Hono | Hono<GatewayEnv>)[]
  authenticate: Authenticate
  /** Sub-apps served from memory to whoever asks, as often as they ask: no request id, no log line, nothing but a count. */
  documents: readonly Hono[]
  /** Around every request but those for documents. */
  tracing: MiddlewareHandler | undefined
  log: Log
  metrics: Metrics
  trustedProxyHops: number
  draining: () => boolean
}

export function createApp({
  listener,
  routes,
  subApps,
  authenticate,
  documents,
  tracing,
  log,
  metrics,
  trustedProxyHops,
  draining,
}: AppParts): HttpApp {
  const app = new Hono<GatewayEnv>()

  for (const { method, path, handler } of documents.flatMap((document) => document.routes)) {
    app.on(method, path, async (c, next) => {
      try {
        const reply: Response | undefined = await handler(c, next)
        // A middleware of the sub-app that let the request pass.
        if (reply === undefined) return
        metrics.requests.inc({ listener, route: path, method: c.req.method, status: reply.status })
        if (draining()) reply.headers.set('Connection', 'close')
        return reply
      } catch (error) {
        c.set('request', openRequest(c, trustedProxyHops))
        const reply = failure(c, error)
        report(c, path, reply.status)
        return reply
      }
    })
  }

  if (tracing) app.use(tracing)
  app.use(async (c, next) => {
    const request = openRequest(c, trustedProxyHops)
    c.set('request', request)
    await next()
    // Afterwards, so that it is said in the replies to what was in flight when the draining began, too.
    if (draining()) c.res.headers.set('Connection', 'close')
    // The pattern, not the path: paths hold ids, and patterns are few.
    const matched = routePath(c, -1)
    report(c, matched === '/*' || matched === '*' ? 'none' : matched, c.res.status)
  })

  function report(c: GatewayContext, route: string, status: number): void {
    const { requestId, startedAt, userId, ip, errorCode, error } = c.get('request')
    const durationMs = performance.now() - startedAt
    metrics.requests.inc({ listener, route, method: c.req.method, status })
    metrics.requestSeconds.observe({ listener, route }, durationMs / 1000)
    const line = {
      requestId,
      method: c.req.method,
      route,
      status,
      durationMs: Math.round(durationMs * 100) / 100,
      userId,
      ip,
      errorCode,
    }
    if (error === undefined) {
      log.info(line, 'request')
      return
    }
    const { code, alert, message } = classify(error)
    // The platform's daily quota is a 429 to the caller, and still the operator's to mend.
    if (alert !== undefined) log.error({ ...line, error }, `ALERT: ${alert}`)
    else if (status >= 500) log.error({ ...line, error }, `failed: ${errorCodes[code].en}`)
    else log.info({ ...line, reason: message }, 'refused')
  }

  mount(app, routes, authenticate)
  for (const subApp of subApps) app.route('/', subApp as Hono<GatewayEnv>)
  app.notFound((c) => {
    // A document that is not there was asked for beside the middleware that opens a request.
    if (c.get('request') === undefined) c.set('request', openRequest(c, trustedProxyHops))
    return failure(c, new GatewayError('A0404'))
  })
  app.onError((error, c) => failure(c, error))
  return app
}
