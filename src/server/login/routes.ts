/** POST /api/login. */
import { z } from 'zod'
import type { Clock } from '../clock.ts'
import { actorOf, type GatewayContext, replyHeader } from '../http/context.ts'
import { withoutHidden } from '../http/hidden-characters.ts'
import { type Route, route } from '../http/route.ts'
import { loginCode } from '../platforms/login-code.ts'
import { platformFailures } from '../platforms/platform.ts'
import type { Limit } from '../rate-limit/limit.ts'
import { type TokenReply, tokenReplySchema } from '../sessions/token-reply.ts'
import { admissionBy } from './admission.ts'
import type { CodeLogin } from './code.ts'
import { TICKET_SECONDS, type Tickets } from './ticket.ts'

const encrypted = z.string().min(1).max(16_384)

/** Signed or encrypted data comes in pairs. */
const pairs = [
  ['rawData', 'signature'],
  ['encryptedData', 'iv'],
] as const

export const loginBody = z
  .object({
    code: loginCode.optional().describe('What wx.login gave; good for one login. This or `ticket`.'),
    ticket: z
      .string()
      .min(1)
      .max(128)
      .optional()
      .describe('From POST /api/tickets; good for one login within a minute.'),
    appid: z.string().max(64).optional().describe('Required when several apps are configured.'),
    platform: z.string().max(32).optional().describe('Required when the appid exists on several platforms.'),
    userinfo: z
      .unknown()
      .optional()
      .describe(
        'The plain object of wx.getUserInfo: `nickName`, `avatarUrl`, `gender`; a member of the wrong form is dropped.',
      ),
    rawData: encrypted.optional(),
    signature: z.string().min(1).max(128).optional(),
    encryptedData: encrypted.optional(),
    iv: z.string().min(1).max(64).optional(),
    device: z
      .string()
      .max(100)
      .overwrite(withoutHidden)
      .optional()
      .describe('Free text, shown in the list of sessions.'),
  })
  .superRefine((body, context) => {
    if ((body.code === undefined) === (body.ticket === undefined)) {
      const message = body.code === undefined ? undefined : 'either code or ticket'
      context.addIssue({
        code: 'custom',
        path: [message ? 'ticket' : 'code'],
        message: message ?? 'is required, or a ticket',
      })
    }
    for (const [one, other] of pairs) {
      if ((body[one] === undefined) === (body[other] === undefined)) continue
      const missing = body[one] === undefined ? one : other
      context.addIssue({ code: 'custom', path: [missing], message: `${one} and ${other} belong together` })
    }
  })

/** WeChat adds members of its own (timestamp, path, query, scene, token). */
const prefetchQuery = z.object({
  code: loginCode.describe('A login code that WeChat made.'),
  appid: z.string().max(64).optional(),
})

const prefetchSchema = tokenReplySchema
  .extend({
    at: z
      .number()
      .int()
      .describe("When it was made, by the gateway's time in seconds since 1970: good for 60 seconds."),
  })
  .meta({ id: 'PrefetchedTokens' })

export type LoginRoutesParts = { codeLogin: CodeLogin; tickets: Tickets; clock: Clock; limit: Limit }

export function loginRoutes({ codeLogin, tickets, clock, limit }: LoginRoutesParts): Route[] {
  async function logIn(
    { code, ticket, ...request }: z.output<typeof loginBody>,
    c: GatewayContext,
  ): Promise<TokenReply> {
    if (code !== undefined) return await codeLogin({ code, ...request }, actorOf(c), admissionBy(limit(c)))
    await limit(c)
    return await tickets.redeem({ ticket: ticket ?? '', appid: request.appid, device: request.device }, actorOf(c))
  }

  return [
    route(
      {
        method: 'post',
        path: '/api/login',
        tag: 'Login',
        summary: 'Exchange a wx.login code for an access token and a refresh token.',
        access: 'public',
        body: loginBody,
        decoration: ['userinfo'],
        reply: tokenReplySchema,
        errors: [...platformFailures, 'A0223', 'A0202', 'A0203', 'A0312', 'A0321', 'A0322', 'A0340', 'A0501', 'A0506'],
        message: { zh: '授权成功', en: 'Logged in' },
      },
      async ({ body }, c) => {
        replyHeader(c, 'Cache-Control', 'no-store')
        const reply = await logIn(body, c)
        c.get('request').userId = reply.user_id
        return reply
      },
    ),
    route(
      {
        method: 'get',
        path: '/api/prefetch',
        tag: 'Login',
        summary:
          'What WeChat calls at a cold start (data prefetch): a login by the code in the query, stamped with the time, for the program to find.',
        access: 'public',
        query: prefetchQuery,
        reply: prefetchSchema,
        errors: [...platformFailures, 'A0223', 'A0202', 'A0203', 'A0321', 'A0501', 'A0506'],
      },
      async ({ query: { code, appid } }, c) => {
        replyHeader(c, 'Cache-Control', 'no-store')
        const reply = await codeLogin({ code, appid, device: 'prefetch' }, actorOf(c), admissionBy(limit(c)))
        c.get('request').userId = reply.user_id
        return { ...reply, at: Math.floor(clock.now().getTime() / 1000) }
      },
    ),
    route(
      {
        method: 'post',
        path: '/api/tickets',
        tag: 'Login',
        summary: 'A ticket by which another client of this user (an H5 page, a web page) logs in once within a minute.',
        access: 'user',
        body: z.strictObject({
          appid: z.string().min(1).max(64).describe('The client that it is for: an appid, or an id of CLIENTS.'),
        }),
        reply: z.object({ ticket: z.string(), expires_in: z.number().int().describe('Seconds.') }),
      },
      async ({ auth, body }, c) => {
        replyHeader(c, 'Cache-Control', 'no-store')
        return { ticket: await tickets.issue(auth, body.appid), expires_in: TICKET_SECONDS }
      },
    ),
  ]
}
