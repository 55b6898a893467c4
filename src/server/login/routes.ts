/** POST /api/login. */
import { z } from 'zod'
import { actorOf, replyHeader } from '../http/context.ts'
import { type Route, route } from '../http/route.ts'
import { platformFailures } from '../platforms/platform.ts'
import type { Limit } from '../rate-limit/limit.ts'
import { tokenReplySchema } from '../sessions/token-reply.ts'
import { admissionBy } from './admission.ts'
import type { CodeLogin } from './code.ts'
import { userInfoSchema } from './user-info.ts'

const encrypted = z.string().min(1).max(16_384)

/** Signed or encrypted data comes in pairs. */
const pairs = [
  ['rawData', 'signature'],
  ['encryptedData', 'iv'],
] as const

export const loginBody = z
  .object({
    code: z.string().min(1).max(128).describe('What wx.login gave; good for one login.'),
    appid: z.string().max(64).optional().describe('Required when several apps are configured.'),
    platform: z.string().max(32).optional().describe('Required when the appid exists on several platforms.'),
    userinfo: userInfoSchema.nullish().describe('The plain object of wx.getUserInfo.'),
    rawData: encrypted.optional(),
    signature: z.string().min(1).max(128).optional(),
    encryptedData: encrypted.optional(),
    iv: z.string().min(1).max(64).optional(),
    device: z.string().max(100).optional().describe('Free text, shown in the list of sessions.'),
  })
  .superRefine((body, context) => {
    for (const [one, other] of pairs) {
      if ((body[one] === undefined) === (body[other] === undefined)) continue
      const missing = body[one] === undefined ? one : other
      context.addIssue({ code: 'custom', path: [missing], message: `${one} and ${other} belong together` })
    }
  })

export function loginRoutes({ codeLogin, limit }: { codeLogin: CodeLogin; limit: Limit }): Route[] {
  return [
    route(
      {
        method: 'post',
        path: '/api/login',
        tag: 'Login',
        summary: 'Exchange a wx.login code for an access token and a refresh token.',
        access: 'public',
        body: loginBody,
        reply: tokenReplySchema,
        errors: [...platformFailures, 'A0223', 'A0202', 'A0203', 'A0321', 'A0340', 'A0501', 'A0506'],
        message: { zh: '授权成功', en: 'Logged in' },
      },
      async ({ body }, c) => {
        replyHeader(c, 'Cache-Control', 'no-store')
        const reply = await codeLogin(body, actorOf(c), admissionBy(limit(c)))
        c.get('request').userId = reply.user_id
        return reply
      },
    ),
  ]
}
