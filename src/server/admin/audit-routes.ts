/** Operators read the audit trail, the newest first. */
import { z } from 'zod'
import { auditKinds } from '../audit/audit.ts'
import { invalidField } from '../errors.ts'
import { addressParameter, limitParameter, pageOf, searchWord, toPage } from '../http/paging.ts'
import { type Route, route } from '../http/route.ts'
import type { AuditStore } from './audit-store.ts'

const eventSchema = z
  .object({
    at: z.date(),
    kind: z.string(),
    user_id: z.string().nullable(),
    session_id: z.string().nullable(),
    appid: z.string().nullable(),
    ip: z.string().nullable(),
    actor: z.string().nullable().describe('`user`, `system`, `operator:NAME` or `service:NAME`.'),
    request_id: z.string().nullable(),
    detail: z.record(z.string(), z.unknown()).nullable(),
  })
  .meta({ id: 'AuditEvent' })

const instant = z.iso.datetime({ offset: true }).transform((text) => new Date(text))

export function adminAuditRoutes({ store }: { store: AuditStore }): Route[] {
  return [
    route(
      {
        method: 'get',
        path: '/admin/audit',
        tag: 'Operators: audit',
        summary: 'The audit trail by user, session, kind, actor, address and time; the newest first.',
        access: 'admin-read',
        query: z.strictObject({
          user_id: z.guid().optional(),
          session_id: z.guid().optional(),
          kind: z.enum(auditKinds).optional(),
          actor: searchWord(200).optional().describe('All of it: `operator:NAME`, `service:NAME`, `user`, `system`.'),
          ip: addressParameter.optional(),
          from: instant.optional().describe('ISO 8601, included.'),
          to: instant.optional().describe('ISO 8601, not included.'),
          limit: limitParameter,
          cursor: z.string().max(100).optional(),
        }),
        reply: pageOf(eventSchema),
      },
      async ({ query: { cursor, limit, ...filter } }) => {
        const after = cursor === undefined ? undefined : readCursor(cursor)
        return toPage(await store.searchAudit({ ...filter, after, limit: limit + 1 }), limit, {
          item: ({ id: _, ...event }) => event,
          cursor: ({ at, id }) => `${at.getTime()}.${id}`,
        })
      },
    ),
  ]
}

function readCursor(cursor: string): { at: Date; id: number } {
  const [, at, id] = /^(\d{1,14})\.(\d{1,15})$/.exec(cursor) ?? []
  if (at === undefined || id === undefined) throw invalidField('cursor', 'is not a cursor of this list')
  return { at: new Date(Number(at)), id: Number(id) }
}
