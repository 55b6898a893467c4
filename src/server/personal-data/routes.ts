/** GET /api/user/export and DELETE /api/user. */
import { z } from 'zod'
import { actorOf, replyHeader } from '../http/context.ts'
import { type Route, route } from '../http/route.ts'
import { mapPages, type Streamed, streamed } from '../http/streamed.ts'
import { loginCode } from '../platforms/login-code.ts'
import { platformFailures } from '../platforms/platform.ts'
import { profileFields } from '../users/profile-fields.ts'
import type { Erased } from '../users/users.ts'
import type { Erase } from './erasure.ts'
import type { Export, PersonalData } from './export.ts'

const identity = { platform: z.string(), appid: z.string(), openid: z.string(), unionid: z.string().nullable() }

export const exportSchema = z
  .object({
    profile: z.object({
      user_id: z.string(),
      status: z.enum(['active', 'suspended', 'erased']),
      ...profileFields.shape,
      roles: z.array(z.string()),
      chosen_fields: z.array(z.string()).describe('What the user set here, so that a login does not overwrite it.'),
      version: z.number().int(),
      created_at: z.date(),
      updated_at: z.date(),
      last_login_at: z.date(),
    }),
    identities: z.array(z.object({ ...identity, created_at: z.date() })),
    unions: z.array(z.object({ union: z.string(), unionid: z.string() })).describe('Apps that share this user.'),
    sessions: z.array(
      z.object({
        sid: z.string(),
        ...identity,
        device: z.string().nullable(),
        ip: z.string().nullable(),
        created_at: z.date(),
        refreshed_at: z.date(),
        last_used_at: z.date(),
        idle_expires_at: z.date(),
        expires_at: z.date(),
        ended_at: z.date().nullable(),
        end_reason: z.string().nullable(),
      }),
    ),
    events: z.array(
      z.object({
        at: z.date(),
        kind: z.string(),
        actor: z.string().describe('`user`, `platform` or `operator`.'),
        sid: z.string().nullable(),
        appid: z.string().nullable(),
        ip: z.string().nullable(),
        detail: z.record(z.string(), z.unknown()).nullable(),
      }),
    ),
  })
  .meta({ id: 'Export' })

export const receiptSchema = z
  .object({
    receipt_id: z.string().describe('Worth keeping: `GET /api/erasures/{receipt}` says how far the erasure is.'),
    user_id: z.string(),
    erased_at: z.date(),
    sessions_ended: z.number().int(),
    kept: z
      .array(
        z.object({
          what: z.enum(['addresses', 'audit']).describe('`addresses`: those in the audit trail. `audit`: its events.'),
          why: z.string(),
          until: z.date(),
        }),
      )
      .describe('What stays about the erased user, why, and until when. Nothing else does.'),
  })
  .meta({ id: 'ErasureReceipt' })

export const eraseBody = z.strictObject({
  code: loginCode.describe('A fresh code of wx.login, as proof.'),
})

export type PersonalDataRoutesParts = {
  exportData: Export
  erase: Erase
  /** Told of an export that was not read to its end. */
  onBroken: (error: unknown) => void
  auditRetentionMonths: number
}

export function personalDataRoutes({
  exportData,
  erase,
  onBroken,
  auditRetentionMonths,
}: PersonalDataRoutesParts): Route[] {
  return [
    route(
      {
        method: 'get',
        path: '/api/user/export',
        tag: 'Profile',
        summary: 'Everything that is kept about the user: profile, platform identities, sessions, audit events.',
        access: 'user',
        reply: exportSchema,
      },
      async ({ auth }, c) => {
        replyHeader(c, 'Cache-Control', 'no-store')
        return toExport(await exportData(auth.userId), onBroken)
      },
    ),
    route(
      {
        method: 'delete',
        path: '/api/user',
        tag: 'Profile',
        summary:
          'Erase the own account: every session ends, a later login makes a new user. What stays is in `kept`: the audit trail under the user id, its addresses for six months only.',
        access: 'user',
        body: eraseBody,
        reply: receiptSchema,
        errors: [...platformFailures, 'A0223', 'A0312', 'A0321', 'A0404'],
        message: { zh: '账号已注销', en: 'Erased' },
      },
      async ({ auth, body }, c) => {
        replyHeader(c, 'Cache-Control', 'no-store')
        const erased = await erase(auth, body.code, actorOf(c))
        const { receiptId, userId, at, ended } = erased
        const kept = keptAfter(erased, auditRetentionMonths)
        return { receipt_id: receiptId, user_id: userId, erased_at: at, sessions_ended: ended.length, kept }
      },
    ),
  ]
}

/** The audit trail goes by whole months. */
function keptAfter({ at, addressesUntil }: Erased, auditRetentionMonths: number) {
  const auditUntil = new Date(Date.UTC(at.getUTCFullYear(), at.getUTCMonth() + auditRetentionMonths + 1))
  return [
    {
      what: 'addresses' as const,
      why: 'Cybersecurity Law (网络安全法) article 21: network logs are kept for at least six months',
      until: addressesUntil < auditUntil ? addressesUntil : auditUntil,
    },
    {
      what: 'audit' as const,
      why: 'evidence of who did what, without names: AUDIT_RETENTION_MONTHS',
      until: auditUntil,
    },
  ]
}

type ExportedData = z.input<typeof exportSchema>

function toExport(data: PersonalData, onBroken: (error: unknown) => void): Streamed<ExportedData> {
  const { user, identities, unions, sessions, events, end } = data
  const { id, ...profile } = user
  return streamed<ExportedData>(
    {
      profile: { user_id: id, ...profile },
      identities,
      unions,
      sessions: mapPages(sessions, ({ cursor: sid, ...one }) => ({ sid, ...one })),
      events: mapPages(events, ({ cursor: _, ...one }) => one),
    },
    (error) => {
      end()
      if (error !== undefined) onBroken(error)
    },
  )
}
