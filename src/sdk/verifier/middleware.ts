/**
 * The verifier in front of Hono, Express and Fastify routes. The frameworks' types are stated by their shape, so that a
 * service installs only the framework it uses.
 */

import { type AccessTokenClaims, type Verifier, VerifierError } from './verifier.ts'

export type AuthOptions = {
  /** Lets only those in who have at least one of these roles; the others get 403. */
  anyRole?: readonly string[]
}

type HonoContext = {
  req: { header(name: string): string | undefined }
  set(key: 'auth', claims: AccessTokenClaims): void
}

/** `app.use('/orders/*', honoAuth(verifier))`, then `c.get('auth')` in an app of `Hono<{ Variables: { auth: AccessTokenClaims } }>`. */
export function honoAuth(verifier: Verifier, options: AuthOptions = {}) {
  return async (c: HonoContext, next: () => Promise<void>): Promise<Response | undefined> => {
    const outcome = await authenticate(verifier, c.req.header('authorization'), options)
    if ('refusal' in outcome) {
      const { status, headers, body } = outcome.refusal
      return Response.json(body, { status, headers })
    }
    c.set('auth', outcome.claims)
    await next()
    return undefined
  }
}

type NodeRequest = { headers: { authorization?: string | undefined } }
type ExpressResponse = {
  status(status: number): ExpressResponse
  set(headers: Record<string, string>): ExpressResponse
  json(body: unknown): unknown
}

/** `app.use('/orders', expressAuth(verifier))`, then `req.auth`. Express 4 and 5. */
export function expressAuth(verifier: Verifier, options: AuthOptions = {}) {
  return async (request: NodeRequest, response: ExpressResponse, next: (error?: unknown) => void): Promise<void> => {
    try {
      const outcome = await authenticate(verifier, request.headers.authorization, options)
      if ('refusal' in outcome) {
        const { status, headers, body } = outcome.refusal
        response.status(status).set(headers).json(body)
        return
      }
      Object.assign(request, { auth: outcome.claims })
    } catch (error) {
      next(error) // Express 4 does not look at what a handler's promise becomes.
      return
    }
    next()
  }
}

type FastifyReply = {
  code(status: number): FastifyReply
  headers(headers: Record<string, string>): FastifyReply
  send(body: unknown): FastifyReply
}

/** `app.decorateRequest('auth', null)` and `app.addHook('onRequest', fastifyAuth(verifier))`, then `request.auth`. */
export function fastifyAuth(verifier: Verifier, options: AuthOptions = {}) {
  return async (request: NodeRequest, reply: FastifyReply): Promise<unknown> => {
    const outcome = await authenticate(verifier, request.headers.authorization, options)
    if ('refusal' in outcome) {
      const { status, headers, body } = outcome.refusal
      return reply.code(status).headers(headers).send(body)
    }
    Object.assign(request, { auth: outcome.claims })
    return undefined
  }
}

type Refusal = {
  status: 401 | 403 | 503
  headers: Record<string, string>
  body: { code: string; msg: string; data: null }
}

async function authenticate(
  verifier: Verifier,
  authorization: string | undefined,
  { anyRole }: AuthOptions,
): Promise<{ claims: AccessTokenClaims } | { refusal: Refusal }> {
  try {
    const claims = await verifier.verify(bearerToken(authorization))
    if (anyRole && !anyRole.some((role) => claims.roles?.includes(role))) {
      throw new VerifierError('role_missing', 'the user has none of the roles this needs')
    }
    return { claims }
  } catch (error) {
    if (error instanceof VerifierError) return { refusal: refusalFor(error) }
    throw error
  }
}

/** RFC 6750 section 2.1: the scheme's case does not count. A token in a query or a body is not looked for (RFC 9700). */
function bearerToken(authorization: string | undefined): string | undefined {
  return /^Bearer +([\w.~+/=-]+)$/i.exec(authorization ?? '')?.[1]
}

/** The gateway's own envelope and codes, so that a mini program handles one form of error from every service. */
function refusalFor({ status, code }: VerifierError): Refusal {
  const headers: Record<string, string> = { 'cache-control': 'no-store' }
  if (status === 503) {
    headers['retry-after'] = '5'
    return { status, headers, body: { code: 'B0320', msg: '服务暂时不可用，请稍后再试', data: null } }
  }
  // RFC 6750 section 3. The description is the verifier's own code, never text from the token.
  const error = status === 403 ? 'insufficient_scope' : 'invalid_token'
  headers['www-authenticate'] = `Bearer error="${error}", error_description="${code}"`
  if (status === 403) return { status, headers, body: { code: 'A0312', msg: '没有权限', data: null } }
  return { status, headers, body: { code: 'A0230', msg: '登录已失效，请重新登录', data: null } }
}
