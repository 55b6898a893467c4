/** The routes of one listener as an HTTP application: each with its request state, its count and its log line. */
import { Hono, type MiddlewareHandler } from 'hono'
import { cors as honoCors } from 'hono/cors'
import { errorCodes, GatewayError } from '../errors.ts'
import type { Log } from '../observability/log.ts'
import type { Metrics } from '../observability/metrics.ts'
import type { Authenticate } from './auth.ts'
import { type GatewayContext, type GatewayEnv, openRequest } from './context.ts'
import { classify, failure } from './envelope.ts'
import type { Route } from './route.ts'

export type HttpApp = Hono<GatewayEnv>

export type AppParts = {
  listener: 'public' | 'internal'
  routes: readonly Route[]
  authenticate: Authenticate
  /** Around every request but those for documents. */
  tracing: MiddlewareHandler | undefined
  log: Log
  metrics: Metrics
  trustedProxyHops: number
  /** Origins of web pages that may call this listener from a browser; documents are for all of them anyway. */
  webOrigins: readonly string[]
  draining: () => boolean
  /** The operators' console, where it is on: everything below this path, outside of the API description. */
  pages?: Pages | undefined
}

export type Pages = { path: string; handle(c: GatewayContext): Promise<Response> }

/** wx.request knows no PATCH, a DELETE of it may lose its body, and wx.uploadFile only POSTs: a POST with this header stands for each. */
const METHOD_OVERRIDE = 'x-http-method-override'

/**
 * What is around a handler is around it as a function and no middleware of Hono: a path with a single handler is called without
 * Hono's chain of promises, and a document without any.
 */
export function createApp(parts: AppParts): HttpApp {
  const { routes, tracing, webOrigins, pages } = parts
  const app = new Hono<GatewayEnv>()
  const cors = webOrigins.length > 0 ? corsFor(webOrigins) : undefined
  const answering = createAnswering(parts)
  const { answerDocument } = answering
  const answer = cors ? toOtherOrigins(cors, answering.answer) : answering.answer
  // The question that a browser asks first.
  if (cors) for (const path of ['/api/*', '/oauth2/*']) app.options(path, cors)

  for (const route of routes) {
    const { method, path } = route
    const verb = method.toUpperCase()
    if ('document' in route && route.document) {
      app.on(verb, path, (c) => answerDocument(c, route))
      continue
    }
    if (tracing) app.use(path, tracing)
    app.on(verb, path, (c) => answer(c, route))
    if (!['PUT', 'PATCH', 'DELETE'].includes(verb)) continue
    app.post(path, (c, next) => (c.req.header(METHOD_OVERRIDE)?.toUpperCase() === verb ? answer(c, route) : next()))
  }

  if (pages) {
    const served = { path: `${pages.path}/*`, handle: pages.handle }
    for (const path of [pages.path, served.path]) app.all(path, (c) => answer(c, served))
  }

  const fails = (error: unknown): Served => ({
    path: 'none',
    handle() {
      throw error
    },
  })
  app.notFound((c) => answer(c, fails(new GatewayError('A0404'))))
  app.onError((error, c) => answer(c, fails(error)))
  return app
}

/** The Fetch standard's CORS for exact origins, without credentials: tokens travel in a header, never in a cookie. */
const corsFor = (origins: readonly string[]): MiddlewareHandler =>
  honoCors({
    origin: [...origins],
    allowMethods: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'],
    allowHeaders: [
      'Authorization',
      'Content-Type',
      'If-Match',
      'Accept-Language',
      'X-Request-Id',
      'X-HTTP-Method-Override',
    ],
    exposeHeaders: ['ETag', 'Retry-After', 'X-Request-Id'],
    maxAge: 7200,
  })

/** Only a page of another origin says where it is from. As middleware CORS cost each login of a phone a quarter of its CPU. */
const toOtherOrigins =
  (cors: MiddlewareHandler, answer: Answer): Answer =>
  async (c, route) => {
    if (c.req.header('origin') === undefined || !/^\/(api|oauth2)\//.test(c.req.path)) return await answer(c, route)
    await cors(c, async () => {
      c.res = await answer(c, route)
    })
    return c.res
  }

type Served = Pick<Route, 'path' | 'handle'>
type Answer = (c: GatewayContext, route: Served) => Promise<Response>

/** Calls a handler; every reply is counted, and but for documents logged, before it leaves. */
function createAnswering({ listener, authenticate, trustedProxyHops, log, metrics, draining }: AppParts) {
  // The pattern of a route is its label, never the path: paths hold ids, and patterns are few.
  function count(c: GatewayContext, route: string, reply: Response): Response {
    metrics.requests.inc({ listener, route, method: c.req.method, status: reply.status })
    // Of the reply, so that it is said to what was in flight when the draining began, too.
    if (draining()) reply.headers.set('Connection', 'close')
    return reply
  }

  function writeLine(c: GatewayContext, route: string, status: number, durationMs: number): void {
    const { requestId, userId, ip, errorCode, error } = c.get('request')
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

  async function answer(c: GatewayContext, { path, handle }: Served): Promise<Response> {
    const request = openRequest(c, trustedProxyHops)
    c.set('request', request)
    let reply: Response
    try {
      reply = await handle(c, authenticate)
    } catch (error) {
      reply = failure(c, error)
    }
    const durationMs = performance.now() - request.startedAt
    metrics.requestSeconds.observe({ listener, route: path }, durationMs / 1000)
    writeLine(c, path, reply.status, durationMs)
    return count(c, path, reply)
  }

  function documentFailed(c: GatewayContext, path: string, error: unknown): Response {
    c.set('request', openRequest(c, trustedProxyHops))
    const reply = failure(c, error)
    if (reply.status >= 500) writeLine(c, path, reply.status, 0)
    return count(c, path, reply)
  }

  function answerDocument(c: GatewayContext, { path, handle }: Served): Response | Promise<Response> {
    try {
      const reply = handle(c, authenticate)
      if (!(reply instanceof Promise)) return count(c, path, reply)
      return reply.then(
        (made) => count(c, path, made),
        (error: unknown) => documentFailed(c, path, error),
      )
    } catch (error) {
      return documentFailed(c, path, error)
    }
  }

  return { answer, answerDocument }
}
