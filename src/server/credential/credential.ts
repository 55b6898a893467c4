/**
 * The platform credential, lent to services: one for all of them, so that none holds AppSecret and none ends another's
 * (WeChat's api_getstableaccesstoken). Loaded only where a service token has the scope `credential`.
 */
import { z } from 'zod'
import type { Audit } from '../audit/audit.ts'
import type { Clock } from '../clock.ts'
import { GatewayError, invalidField } from '../errors.ts'
import { actorOf, replyHeader } from '../http/context.ts'
import { type Route, route } from '../http/route.ts'
import { platformFailures } from '../platforms/platform.ts'
import type { Apps } from '../platforms/registry.ts'

export type CredentialParts = { apps: Apps; audit: Audit; clock: Clock }

export function credentialRoutes({ apps, audit, clock }: CredentialParts): Route[] {
  return [
    route(
      {
        method: 'post',
        path: '/internal/platform-credential',
        tag: 'Services',
        summary:
          'The current platform credential (WeChat calls it access_token). After error 40001, report it by `refused`: it is renewed once, whoever reports it.',
        access: 'credential',
        body: z.strictObject({
          appid: z.string().min(1).max(64),
          refused: z
            .string()
            .regex(/^[0-9a-fA-F]{64}$/, 'is not a SHA-256 in 64 hexadecimal digits')
            .optional()
            .describe('SHA-256 in hex of the access_token that the platform answered 40001 to.'),
        }),
        reply: z.object({
          access_token: z.string(),
          expires_in: z.number().int().describe('Seconds; ask again before, not after.'),
        }),
        errors: platformFailures,
      },
      async ({ body: { appid, refused }, auth }, c) => {
        replyHeader(c, 'Cache-Control', 'no-store')
        if (auth.only && !auth.only.includes(appid))
          throw new GatewayError('A0312', {
            note: `service token ${auth.name} may have that of ${auth.only.join(', ')} alone`,
          })
        const lend = apps.all.find((app) => app.appid === appid && app.lendCredential)?.lendCredential
        if (!lend) throw invalidField('appid', 'is not an app of this gateway whose platform has such a credential')
        const { text, expiresInSeconds, renewed } = await lend(refused?.toLowerCase())
        const actor = actorOf(c, `service:${auth.name}`)
        if (renewed) audit.record({ kind: 'credential_renewed', at: clock.now(), actor, appid })
        return { access_token: text, expires_in: expiresInSeconds }
      },
    ),
  ]
}
