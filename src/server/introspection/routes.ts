/** The standard OAuth endpoints for services, in their standard forms, and /verify for proxies; internal listener only. */
import { Hono } from 'hono'
import { z } from 'zod'
import { errorCodes, GatewayError } from '../errors.ts'
import type { Authenticate } from '../http/auth.ts'
import { bearerToken } from '../http/bearer.ts'
import { actorOf, type GatewayContext, type GatewayEnv } from '../http/context.ts'
import { classify } from '../http/envelope.ts'
import { readBytes } from '../http/json-body.ts'
import type { DocumentDescription } from '../http/openapi.ts'
import type { Introspection } from './introspection.ts'

const MAX_FORM_BYTES = 16 * 1024

export type IntrospectionRoutesParts = { introspection: Introspection; authenticate: Pick<Authenticate, 'service'> }

export function introspectionRoutes({ introspection, authenticate }: IntrospectionRoutesParts): Hono<GatewayEnv> {
  const app = new Hono<GatewayEnv>()

  /** Without ADMIN_TOKENS it throws A0404, which the app answers as for any path that is not there. */
  function endpoint(
    path: string,
    answer: (token: string, c: GatewayContext, caller: string) => Promise<Response>,
  ): void {
    app.post(path, async (c) => {
      try {
        const caller = authenticate.service(c, 'introspect')
        return await answer(await readToken(c), c, caller.name)
      } catch (error) {
        if (error instanceof GatewayError && error.code === 'A0404') throw error
        return oauthError(c, error)
      }
    })
  }

  // RFC 7662 section 2.2: a token that is not active is told by nothing but that.
  endpoint('/oauth2/introspect', async (token, c) => json(c, await introspection.introspect(token)))

  // RFC 7009 section 2.2: 200 for a token that is unknown or already dead, too.
  endpoint('/oauth2/revoke', async (token, c, caller) => {
    await introspection.revoke(token, actorOf(c, `service:${caller}`))
    return json(c, {})
  })

  app.get('/verify', async (c) => {
    const user = await introspection.verify(bearerToken(c))
    if (!user) throw new GatewayError('A0230', { note: 'verify: the token is bad or its session has ended' })
    c.get('request').userId = user.userId
    return new Response(null, {
      headers: {
        ...c.get('request').headers,
        'Content-Type': 'text/plain; charset=UTF-8',
        'Cache-Control': 'no-store',
        'X-Auth-User-Id': user.userId,
        'X-Auth-Session-Id': user.sid,
        'X-Auth-Client-Id': user.clientId,
        'X-Auth-Roles': user.roles.join(','),
      },
    })
  })
  return app
}

const tokenForm = z.object({
  token: z.string().describe('An access or a refresh token.'),
  token_type_hint: z.string().optional().describe('Allowed, and not needed.'),
})
const commonAnswers = {
  400: 'invalid_request: not one token in a form of at most 16 KiB',
  401: 'invalid_token: no known service token',
  403: 'insufficient_scope: the service token lacks the scope introspect',
  404: 'ADMIN_TOKENS is not set',
  503: 'temporarily_unavailable: the database is away',
}

/** The same for the API description. */
export const introspectionDocuments: readonly DocumentDescription[] = [
  {
    method: 'post',
    path: '/oauth2/introspect',
    tag: 'Services',
    summary: 'RFC 7662: what a token is worth at this moment.',
    access: 'introspect',
    form: tokenForm,
    contentType: 'application/json',
    reply: z.looseObject({
      active: z.boolean(),
      token_use: z.enum(['access_token', 'refresh_token']).optional(),
      sub: z.string().optional().describe('The user id.'),
      client_id: z.string().optional().describe('The appid.'),
      sid: z.string().optional(),
      exp: z.number().int().optional(),
    }),
    alsoAnswers: commonAnswers,
  },
  {
    method: 'post',
    path: '/oauth2/revoke',
    tag: 'Services',
    summary: 'RFC 7009: end the session of a token; 200 for an unknown one, too.',
    access: 'introspect',
    form: tokenForm,
    contentType: 'application/json',
    reply: z.object({}),
    alsoAnswers: commonAnswers,
  },
  {
    method: 'get',
    path: '/verify',
    tag: 'Services',
    summary:
      'For proxies: 200 with X-Auth-User-Id, X-Auth-Session-Id, X-Auth-Client-Id, X-Auth-Roles for a live session, else 401.',
    access: 'user',
    contentType: 'text/plain',
    reply: z.literal(''),
    alsoAnswers: { 401: 'The access token is missing or bad, or its session has ended', 503: 'The database is away' },
  },
]

/** The form's `token`. Throws A0400, A0413 or A0415, which all become invalid_request. */
async function readToken(c: GatewayContext): Promise<string> {
  if (!/^application\/x-www-form-urlencoded\s*(?:;|$)/i.test(c.req.header('content-type') ?? ''))
    throw new GatewayError('A0415', { note: 'the body must be application/x-www-form-urlencoded' })
  const form = new URLSearchParams((await readBytes(c, MAX_FORM_BYTES)).toString('utf8'))
  const tokens = form.getAll('token')
  const [token] = tokens
  // RFC 6749 section 3.2: no parameter more than once; an empty one counts as left out.
  if (token === undefined || token === '' || tokens.length > 1)
    throw new GatewayError('A0400', { note: 'the form needs exactly one token' })
  return token
}

/** RFC 6749 section 5.2, with the codes of RFC 6750 section 3.1 for the caller's own token. */
function oauthError(c: GatewayContext, thrown: unknown): Response {
  const error = classify(thrown)
  const request = c.get('request')
  request.errorCode = error.code
  request.error = thrown
  const headers: Record<string, string> = { 'Cache-Control': 'no-store' }
  const answer = (status: number, code: string, description: string) => {
    if (status === 401 || status === 403) headers['WWW-Authenticate'] = `Bearer error="${code}"`
    if (error.retryAfterSeconds !== undefined) headers['Retry-After'] = String(error.retryAfterSeconds)
    return json(c, { error: code, error_description: description }, status, headers)
  }
  const { status, en } = errorCodes[error.code]
  if (error.code === 'A0230') return answer(401, 'invalid_token', 'The service token is missing or unknown.')
  if (error.code === 'A0312') return answer(403, 'insufficient_scope', 'The service token lacks the scope introspect.')
  if (status === 400 || status === 413 || status === 415)
    return answer(400, 'invalid_request', 'Send one token as application/x-www-form-urlencoded, at most 16 KiB.')
  return answer(status, status === 503 ? 'temporarily_unavailable' : 'server_error', en)
}

const json = (c: GatewayContext, body: object, status = 200, headers: Record<string, string> = {}): Response =>
  new Response(JSON.stringify(body), {
    status,
    headers: { ...c.get('request').headers, 'Cache-Control': 'no-store', ...headers },
  })
