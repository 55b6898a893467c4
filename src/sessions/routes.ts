/** Refresh and logout. */
import { z } from 'zod'
import { GatewayError } from '../errors.ts'
import { bearerToken } from '../http/bearer.ts'
import { originOf, replyHeader } from '../http/context.ts'
import type { Limit } from '../http/limit.ts'
import { type Route, route } from '../http/route.ts'
import type { AccessTokens } from '../tokens/access-token.ts'
import type { Sessions } from './sessions.ts'

export const tokenReplySchema = z
  .object({
    token: z.string().describe('The access token: a JWT that every service verifies on its own.'),
    token_type: z.literal('Bearer'),
    expires_in: z.number().int().describe('Seconds until the access token expires.'),
    refresh_token: z.string().describe('Good for one refresh; keep the new one.'),
    refresh_expires_in: z.number().int().describe('Seconds until the session ends if it is not refreshed.'),
    user_id: z.string(),
    nickname: z.string().nullable(),
    is_new_user: z.boolean(),
  })
  .meta({ id: 'Tokens' })

const refreshToken = z.string().min(1).max(256)

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
        errors: ['A0400', 'A0427', 'A0230', 'A0220', 'A0202', 'A0203', 'A0413', 'A0415', 'A0501', 'B0210', 'B0320'],
      },
      async ({ body }, c) => {
        await limit(c)
        replyHeader(c, 'Cache-Control', 'no-store')
        const reply = await sessions.refresh(body.refresh_token, originOf(c))
        c.get('scope').userId = reply.user_id
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
        errors: ['A0400', 'A0427', 'A0230', 'A0413', 'A0415', 'B0320'],
      },
      async ({ body }, c) => {
        if (body?.refresh_token !== undefined) await sessions.endByRefreshToken(body.refresh_token, originOf(c))
        else if (c.req.header('authorization') === undefined) {
          throw new GatewayError('A0230', { note: 'neither refresh_token nor bearer token' })
        } else {
          // A session that ended before may be ended again: whoever logs out twice is logged out.
          const { sid, userId } = await accessTokens.verify(bearerToken(c))
          c.get('scope').userId = userId
          await sessions.end(sid, originOf(c))
        }
        return null
      },
    ),
  ]
}
