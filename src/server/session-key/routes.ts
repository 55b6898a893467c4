/** The session_key's uses on the internal listener: services open data, operators check and reset. */
import { z } from 'zod'
import type { Audit } from '../audit/audit.ts'
import type { Clock } from '../clock.ts'
import { actorOf, operatorOf, replyHeader } from '../http/context.ts'
import { type Route, route } from '../http/route.ts'
import { platformFailures } from '../platforms/platform.ts'
import { encryptedSchema } from './open-data.ts'
import type { SessionKeyService } from './service.ts'

const appid = z.string().min(1).max(64)
const params = z.object({ id: z.guid() })

export type SessionKeyRoutesParts = { service: SessionKeyService; audit: Audit; clock: Clock }

export function sessionKeyRoutes({ service, audit, clock }: SessionKeyRoutesParts): Route[] {
  return [
    route(
      {
        method: 'post',
        path: '/internal/open-data',
        tag: 'Services',
        summary: "Open a user's encryptedData with the kept session_key; answers the plaintext, watermark included.",
        access: 'open-data',
        body: z.strictObject({ user_id: z.guid(), appid, ...encryptedSchema }),
        reply: z.record(z.string(), z.unknown()),
        errors: ['A0202', 'A0240', 'A0340'],
      },
      async ({ body: { user_id: userId, appid, ...encrypted }, auth }, c) => {
        replyHeader(c, 'Cache-Control', 'no-store')
        c.get('request').userId = userId
        const opened = await service.open({ userId, appid }, encrypted)
        const actor = actorOf(c, `service:${auth.name}`)
        audit.record({ kind: 'open_data_read', at: clock.now(), actor, user_id: userId, appid })
        return opened
      },
    ),
    route(
      {
        method: 'post',
        path: '/admin/users/:id/session-key/check',
        tag: 'Operators: users',
        summary: "Ask the platform whether the kept session_key is still the user's valid one.",
        access: 'admin',
        params,
        body: z.strictObject({ appid }),
        reply: z.object({ valid: z.boolean() }),
        errors: [...platformFailures, 'A0202', 'A0240'],
      },
      async ({ params: { id: userId }, body }) => ({
        valid: await service.checkSessionKey({ userId, appid: body.appid }),
      }),
    ),
    route(
      {
        method: 'post',
        path: '/admin/users/:id/session-key/reset',
        tag: 'Operators: users',
        summary:
          "End the user's session_key at the platform and keep its successor; data encrypted before stays closed.",
        access: 'admin',
        params,
        body: z.strictObject({ appid }),
        reply: z.null(),
        errors: [...platformFailures, 'A0202', 'A0240'],
      },
      async ({ params: { id: userId }, body, auth }, c) => {
        await service.resetSessionKey({ userId, appid: body.appid }, operatorOf(c, auth))
        return null
      },
    ),
  ]
}
