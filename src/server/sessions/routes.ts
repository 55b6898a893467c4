/** Refresh and logout. */
import { z } from 'zod'
import { GatewayError } from '../errors.ts'
import { bearerToken } from '../http/auth.ts'
import { actorOf, replyHeader } from '../http/context.ts'
import { type Route, route } from '../http/route.ts'
import type { Limit } from '../rate-limit/limit.ts'
import type { AccessTokens } from '../tokens/access-token.ts'
import type { Sessions } from './sessions.ts'
import { tokenReplySchema } from './token-reply.ts'

const refreshToken = z.string().min(1).max(256)

export const sessionItemSchema = z
  .object({
    sid: z.string(),
    device: z.string().nullable().describe('What the client called itself at login.'),
    created_at: z.date(),
    last_used_at: z.date().describe('To within five minutes.'),
    ip: z.string().nullable().describe('Where it was used from at the last login or refresh.'),
    parent_sid: z.string().nullable().describe('The session that it was opened from by a ticket, and ends with.'),
    client_id: z.string().describe('The appid, or the id in CLIENTS.'),
    current: z.boolean().describe('Whether it is the session that asks.'),
  })
  .meta({ id: 'Session' })

export type SessionRoutesParts = {
  sessions: Sessions
  accessTokens: AccessTokens
  limit: Limit
}

export function sessionRoutes({ sessions, accessTokens, limit }: SessionRoutesParts): Route[] {
  return [
    route(
      {
        method: 'post',
        path: '/api/refresh',
        tag: 'Login',
        summary: 'Exchange a refresh token for new tokens.',
        access: 'public',
        body: z.object({ refresh_token: refreshToken }),
        reply: tokenReplySchema,
        errors: ['A0230', 'A0220', 'A0202', 'A0203', 'A0501'],
      },
      async ({ body }, c) => {
        await limit(c)
        replyHeader(c, 'Cache-Control', 'no-store')
        const reply = await sessions.refresh(body.refresh_token, actorOf(c))
        c.get('request').userId = reply.user_id
        return reply
      },
    ),
    route(
      {
        method: 'post',
        path: '/api/logout',
        tag: 'Login',
        summary: 'End the session of a refresh token or of the bearer access token.',
        access: 'public',
        body: z.object({ refresh_token: refreshToken.optional() }).optional(),
        reply: z.null(),
        errors: ['A0230', 'A0501'],
      },
      async ({ body }, c) => {
        await limit(c)
        if (body?.refresh_token !== undefined) await sessions.endByRefreshToken(body.refresh_token, actorOf(c))
        else if (c.req.header('authorization') === undefined) {
          throw new GatewayError('A0230', { note: 'neither refresh_token nor bearer token' })
        } else {
          // A session that ended before may be ended again: whoever logs out twice is logged out.
          const { sid, userId } = await accessTokens.verify(bearerToken(c))
          c.get('request').userId = userId
          await sessions.end({ sid }, 'logout', actorOf(c))
        }
        return null
      },
    ),
    route(
      {
        method: 'get',
        path: '/api/sessions',
        tag: 'Sessions',
        summary: 'The live sessions of the user, the last used first.',
        access: 'user',
        reply: z.array(sessionItemSchema),
      },
      async ({ auth }) =>
        (await sessions.list(auth.userId)).map(({ id, appid, parent_id, device, ip, created_at, last_used_at }) => ({
          sid: id,
          device,
          created_at,
          last_used_at,
          ip,
          parent_sid: parent_id,
          client_id: appid,
          current: id === auth.sid,
        })),
    ),
    route(
      {
        method: 'delete',
        path: '/api/sessions/:sid',
        tag: 'Sessions',
        summary: 'End one session of the user.',
        access: 'user',
        params: z.object({ sid: z.guid() }),
        reply: z.null(),
        errors: ['A0404'],
      },
      async ({ auth, params }, c) => {
        // Another user's session is not there, just like one that never was.
        const ended = await sessions.end({ userId: auth.userId, only: params.sid }, 'ended_by_user', actorOf(c))
        if (ended === 0) throw new GatewayError('A0404', { note: 'no such session of this user' })
        return null
      },
    ),
    route(
      {
        method: 'delete',
        path: '/api/sessions',
        tag: 'Sessions',
        summary: 'End all sessions of the user, or all but the one that asks.',
        access: 'user',
        query: z.object({ scope: z.enum(['all', 'others']) }),
        reply: z.null(),
      },
      async ({ auth, query }, c) => {
        const except = query.scope === 'others' ? { except: auth.sid } : {}
        await sessions.end({ userId: auth.userId, ...except }, 'ended_by_user', actorOf(c))
        return null
      },
    ),
  ]
}
