/**
 * The user-state signature: what a payment service needs of a session_key, made here so that the key stays here
 * (wx.requestVirtualPayment and its server calls; Douyin signs alike). Loaded only where a service token has the scope `sign`.
 */
import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { Audit } from '../audit/audit.ts'
import type { Clock } from '../clock.ts'
import { GatewayError } from '../errors.ts'
import { actorOf, replyHeader } from '../http/context.ts'
import { type Route, route } from '../http/route.ts'
import { signWithSessionKey } from '../platforms/open-data.ts'
import { platformFailures } from '../platforms/platform.ts'
import { enforce, type RateLimit } from '../rate-limit/rate-limit.ts'
import type { SessionKeyService } from './service.ts'

const MAX_BYTES = 8192

/**
 * A JSON object and nothing else: the empty message is the proof of checkSessionKey, ResetUserSessionKey and getUserEncryptKey, and
 * whoever held its signature could make those calls.
 */
const signable = z
  .string()
  // The description can say a pattern, and no refinement.
  .regex(/^\s*\{[\s\S]*\}\s*$/, 'is not the text of a JSON object')
  .refine((text) => Buffer.byteLength(text) <= MAX_BYTES, `has more than ${MAX_BYTES} bytes`)
  .refine(isJsonObject, 'is not the text of a JSON object')
  .describe('The exact text that is sent; signed byte for byte, as UTF-8.')

function isJsonObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
  } catch {
    return false
  }
}

/** Platforms that take HMAC-SHA256 under the text of the session_key. */
const SIGNING_PLATFORMS = ['wechat', 'douyin']

export type UserSignatureParts = {
  service: SessionKeyService
  audit: Audit
  clock: Clock
  limit: RateLimit | undefined
}

export function userSignatureRoutes({ service, audit, clock, limit }: UserSignatureParts): Route[] {
  return [
    route(
      {
        method: 'post',
        path: '/internal/user-signature',
        tag: 'Services',
        summary:
          'Sign a JSON text with the kept session_key (hex HMAC-SHA256), for wx.requestVirtualPayment and its like; pass the text on as it comes back.',
        access: 'sign',
        body: z.strictObject({
          user_id: z.guid(),
          appid: z.string().min(1).max(64),
          data: signable,
          verify: z
            .boolean()
            .default(false)
            .describe('Ask the platform first whether the session_key is still good: A0240 when it is not.'),
        }),
        reply: z.object({ data: z.string(), signature: z.string().describe('64 hexadecimal digits.') }),
        errors: [...platformFailures, 'A0202', 'A0240'],
      },
      async ({ body: { user_id: userId, appid, data, verify }, auth }, c) => {
        replyHeader(c, 'Cache-Control', 'no-store')
        c.get('request').userId = userId
        if (auth.only && !auth.only.includes(appid))
          throw new GatewayError('A0312', {
            note: `service token ${auth.name} may sign for ${auth.only.join(', ')} alone`,
          })
        await enforce(limit, userId)
        const user = { userId, appid }
        const sessionKey = await service.keyFor(user, SIGNING_PLATFORMS)
        if (verify && !(await service.checkSessionKey(user)))
          throw new GatewayError('A0240', { note: 'the platform no longer takes this session_key' })
        // Which text it was can be proved from its hash; what is in it is the payment service's.
        const detail = { sha256: createHash('sha256').update(data).digest('hex'), verified: verify }
        const actor = actorOf(c, `service:${auth.name}`)
        audit.record({ kind: 'user_state_signed', at: clock.now(), actor, user_id: userId, appid, detail })
        return { data, signature: signWithSessionKey(data, sessionKey) }
      },
    ),
  ]
}
