/** What operators read: users by what is known of them, one user as a whole, the audit trail; a page at a time. */
import { sql } from 'kysely'
import type { AuditKind } from '../audit/audit.ts'
import type { Database } from '../storage/database.ts'

export type UserSearch = {
  id?: string | undefined
  openid?: string | undefined
  external_id?: string | undefined
  phone?: string | undefined
  nickname_prefix?: string | undefined
  /** The last id of the page before. */
  after?: string | undefined
  limit: number
}

export type AuditSearch = {
  user_id?: string | undefined
  kind?: AuditKind | undefined
  from?: Date | undefined
  to?: Date | undefined
  /** The last event of the page before. */
  after?: { at: Date; id: number } | undefined
  limit: number
}

export type AdminStore = ReturnType<typeof createAdminStore>

export function createAdminStore({ kysely }: Pick<Database, 'kysely'>) {
  return {
    /** The newest first. */
    async searchUsers({ id, openid, external_id, phone, nickname_prefix, after, limit }: UserSearch) {
      let query = kysely
        .selectFrom('users')
        .select(['id', 'status', 'nickname', 'phone', 'roles', 'external_id', 'created_at', 'last_login_at'])
      if (id !== undefined) query = query.where('id', '=', id)
      if (external_id !== undefined) query = query.where('external_id', '=', external_id)
      if (phone !== undefined) query = query.where('phone', '=', phone)
      if (nickname_prefix !== undefined) {
        const pattern = `${nickname_prefix.replace(/[\\%_]/g, '\\$&')}%`
        // Both sides by the database, whose locale decides what lower case is.
        query = query.where(sql`lower(nickname)`, 'like', sql<string>`lower(${pattern}::text)`)
      }
      if (openid !== undefined) {
        query = query.where('id', 'in', (eb) =>
          eb.selectFrom('platform_identities').select('user_id').where('openid', '=', openid),
        )
      }
      if (after !== undefined) query = query.where('id', '<', after)
      return await query.orderBy('id', 'desc').limit(limit).execute()
    },

    async readUser(id: string) {
      const user = await kysely.selectFrom('users').selectAll().where('id', '=', id).executeTakeFirst()
      if (!user) return undefined
      const identities = await kysely
        .selectFrom('platform_identities')
        .select(['platform', 'appid', 'openid', 'unionid', 'created_at'])
        .where('user_id', '=', id)
        .orderBy('created_at')
        .execute()
      return { user, identities }
    },

    /** The newest first. */
    async searchAudit({ user_id, kind, from, to, after, limit }: AuditSearch) {
      let query = kysely.selectFrom('audit_events').selectAll()
      if (user_id !== undefined) query = query.where('user_id', '=', user_id)
      if (kind !== undefined) query = query.where('kind', '=', kind)
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
