/** The standard OAuth endpoints for services, in their standard forms, and /verify for proxies; internal listener only. */
import { z } from 'zod'
import { GatewayError } from '../errors.ts'
import { actorOf, rawReply } from '../http/context.ts'
import { type Route, route } from '../http/route.ts'
import type { Introspection } from './introspection.ts'

const tokenForm = z.object({
  token: z.string().describe('An access or a refresh token.'),
  token_type_hint: z.string().optional().describe('Allowed, and not needed.'),
})

const introspectedSchema = z.looseObject({
  active: z.boolean(),
  token_use: z.enum(['access_token', 'refresh_token']).optional(),
  sub: z.string().optional().describe('The user id.'),
  client_id: z.string().optional().describe('The appid.'),
  sid: z.string().optional(),
  exp: z.number().int().optional(),
})

export function introspectionRoutes({ introspection }: { introspection: Introspection }): Route[] {
  const common = { tag: 'Services', method: 'post', form: tokenForm, failures: 'oauth' } as const
  const unstored = { 'Cache-Control': 'no-store' }
  return [
    route(
      {
        ...common,
        path: '/oauth2/introspect',
        access: 'introspect',
        summary: 'RFC 7662: what a token is worth at this moment.',
        replies: { 200: { 'application/json': introspectedSchema } },
      },
      // Section 2.2: a token that is not active is told by nothing but that.
      async ({ form, auth }, c) =>
        rawReply(c, JSON.stringify(await introspection.introspect(form.token, auth.only)), { headers: unstored }),
    ),
    route(
      {
        ...common,
        path: '/oauth2/revoke',
        access: 'revoke',
        summary: 'RFC 7009: end the session of a token; 200 for an unknown one, too.',
        replies: { 200: { 'application/json': z.object({}) } },
      },
      // Section 2.2: 200 for a token that is unknown or already dead, too.
      async ({ form, auth }, c) => {
        await introspection.revoke(form.token, actorOf(c, `service:${auth.name}`))
        return rawReply(c, '{}', { headers: unstored })
      },
    ),
    route(
      {
        method: 'get',
        path: '/verify',
        tag: 'Services',
        summary: 'For proxies: 200 with the user in headers for an access token whose session lives, else 401.',
        access: 'user',
        query: z.object({
          audience: z.string().min(1).max(500).optional().describe('Only a token for this audience.'),
          role: z.string().min(1).max(64).optional().describe('Only a user who has this role now.'),
        }),
        failures: 'proxy',
        replies: { 200: { 'text/plain': z.literal('') } },
        headers: {
          'X-Auth-User-Id': 'The user id.',
          'X-Auth-Session-Id': 'The sid.',
          'X-Auth-Client-Id': 'The appid.',
          'X-Auth-Roles': 'Comma separated.',
          'X-Auth-External-Id': 'The id by which another system knows the user, percent-encoded; only where it is set.',
        },
      },
      ({ auth, query: { audience, role } }, c) => {
        if (audience !== undefined && !auth.audience.includes(audience))
          throw new GatewayError('A0312', { note: 'the token is for another audience' })
        if (role !== undefined && !auth.roles.includes(role))
          throw new GatewayError('A0312', { note: 'the user lacks the role' })
        return rawReply(c, null, {
          headers: {
            ...unstored,
            'Content-Type': 'text/plain; charset=UTF-8',
            'X-Auth-User-Id': auth.userId,
            'X-Auth-Session-Id': auth.sid,
            'X-Auth-Client-Id': auth.clientId,
            'X-Auth-Roles': auth.roles.join(','),
            ...(auth.externalId === null ? {} : { 'X-Auth-External-Id': encodeURIComponent(auth.externalId) }),
          },
        })
      },
    ),
  ]
}
