/** What operators read of the audit trail, the newest first; each filter has an index or looks at a bounded part. */
import { sql } from 'kysely'
import type { AuditKind } from '../audit/audit.ts'
import type { Database } from '../storage/database.ts'

export type AuditSearch = {
  user_id?: string | undefined
  session_id?: string | undefined
  kind?: AuditKind | undefined
  actor?: string | undefined
  ip?: string | undefined
  from?: Date | undefined
  to?: Date | undefined
  /** The last event of the page before. */
  after?: { at: Date; id: number } | undefined
  limit: number
}

/** How far the event that opened a session may be from the time in the session's id. */
const OPENED_WITHIN_MS = 120_000

export type AuditStore = ReturnType<typeof createAuditStore>

export function createAuditStore({ kysely }: Pick<Database, 'kysely'>) {
  /** Events have no index by session, which every login would pay for: its user has one. */
  async function userOf(sessionId: string): Promise<string | undefined> {
    const session = await kysely.selectFrom('sessions').select('user_id').where('id', '=', sessionId).executeTakeFirst()
    if (session) return session.user_id
    // Deleted since. RFC 9562 section 5.7: the first 48 bits of its id are the time it was made, and its login is not far.
    const madeAt = Number.parseInt(sessionId.replaceAll('-', '').slice(0, 12), 16)
    const event = await kysely
      .selectFrom('audit_events')
      .select('user_id')
      .where('session_id', '=', sessionId)
      .where('at', '>=', new Date(Math.max(0, madeAt - OPENED_WITHIN_MS)))
      .where('at', '<=', new Date(madeAt + OPENED_WITHIN_MS))
      .limit(1)
      .executeTakeFirst()
    return event?.user_id ?? undefined
  }

  return {
    async searchAudit({ user_id, session_id, kind, actor, ip, from, to, after, limit }: AuditSearch) {
      let query = kysely.selectFrom('audit_events').selectAll()
      if (session_id !== undefined) {
        const userId = user_id ?? (await userOf(session_id))
        if (userId === undefined) return []
        query = query.where('user_id', '=', userId).where('session_id', '=', session_id)
      } else if (user_id !== undefined) query = query.where('user_id', '=', user_id)
      // As text of the statement: the planner sees that the index of rare kinds fits.
      if (kind !== undefined) query = query.where('kind', '=', sql.lit(kind))
      if (actor !== undefined) query = query.where('actor', '=', sql<string>`${actor}::text`)
      if (ip !== undefined) query = query.where('ip', '=', ip)
      if (from !== undefined) query = query.where('at', '>=', from)
      if (to !== undefined) query = query.where('at', '<', to)
      // Both: the second alone would keep PostgreSQL from skipping partitions.
      if (after !== undefined) {
        query = query
          .where('at', '<=', after.at)
          .where((eb) => eb.or([eb('at', '<', after.at), eb('id', '<', after.id)]))
      }
      return await query.orderBy('at', 'desc').orderBy('id', 'desc').limit(limit).execute()
    },
  }
}
