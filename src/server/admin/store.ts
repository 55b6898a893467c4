/** What operators read of users: by what is known of them, and one user as a whole; a page at a time. */
import { sql } from 'kysely'
import type { Database } from '../storage/database.ts'
import type { UserStatus } from '../storage/schema.ts'

export type UserSearch = {
  id?: string | undefined
  status?: UserStatus | undefined
  openid?: string | undefined
  unionid?: string | undefined
  external_id?: string | undefined
  phone?: string | undefined
  /** An address that the user did something from which is in the audit trail. */
  ip?: string | undefined
  nickname_prefix?: string | undefined
  /** The last id of the page before. */
  after?: string | undefined
  limit: number
}

/** Of an address that many share, the users of its last so many events are found. */
const EVENTS_OF_ADDRESS = 1000

export type AdminStore = ReturnType<typeof createAdminStore>

export function createAdminStore({ kysely }: Pick<Database, 'kysely'>) {
  return {
    /** The newest first. Each filter has an index. */
    async searchUsers(search: UserSearch) {
      const { id, status, openid, unionid, external_id, phone, ip, nickname_prefix, after, limit } = search
      let query = kysely
        .selectFrom('users')
        .select(['id', 'status', 'nickname', 'phone', 'roles', 'external_id', 'created_at', 'last_login_at'])
      if (id !== undefined) query = query.where('id', '=', id)
      // As text of the statement: the planner sees that the index of those that are not active fits.
      if (status !== undefined) query = query.where('status', '=', sql.lit(status))
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
      if (unionid !== undefined) {
        query = query.where('id', 'in', (eb) =>
          eb.selectFrom('platform_identities').select('user_id').where('unionid', '=', unionid),
        )
      }
      if (ip !== undefined) {
        query = query.where('id', 'in', (eb) =>
          eb
            .selectFrom('audit_events')
            .select((of) => of.ref('user_id').$notNull().as('user_id'))
            .where('ip', '=', ip)
            .where('user_id', 'is not', null)
            .orderBy('at', 'desc')
            .limit(EVENTS_OF_ADDRESS),
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
  }
}
