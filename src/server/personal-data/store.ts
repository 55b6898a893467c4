/** All that is kept about one user, and whose a platform identity is. */
import { sql } from 'kysely'
import type { PlatformIdentity } from '../platforms/platform.ts'
import type { Database } from '../storage/database.ts'
import { profileColumns } from '../users/profile-fields.ts'

export type PageRequest = { after: string | undefined; limit: number }

export type PersonalDataStore = ReturnType<typeof createPersonalDataStore>

export function createPersonalDataStore({ kysely }: Pick<Database, 'kysely'>) {
  return {
    /** Whose identity this is. */
    async ownerOf({ platform, appid, openid }: PlatformIdentity): Promise<string | undefined> {
      const row = await kysely
        .selectFrom('platform_identities')
        .select('user_id')
        .where('platform', '=', platform)
        .where('appid', '=', appid)
        .where('openid', '=', openid)
        .executeTakeFirst()
      return row?.user_id
    },

    /** The user with their platform identities, in one snapshot; undefined when the user is gone. */
    async find(userId: string) {
      return await kysely
        .transaction()
        .setIsolationLevel('repeatable read')
        .setAccessMode('read only')
        .execute(async (tx) => {
          const user = await tx
            .selectFrom('users')
            .select([...profileColumns, 'status', 'chosen_fields', 'updated_at'])
            .where('id', '=', userId)
            .where('status', '=', 'active')
            .executeTakeFirst()
          if (!user) return undefined
          const identities = await tx
            .selectFrom('platform_identities')
            .select(['platform', 'appid', 'openid', 'unionid', 'created_at'])
            .where('user_id', '=', userId)
            .orderBy('created_at')
            .execute()
          const unions = await tx
            .selectFrom('union_members')
            .select(['union_name as union', 'unionid'])
            .where('user_id', '=', userId)
            .execute()
          return { user, identities, unions }
        })
    },

    /** The user's sessions after a cursor, in the order in which they were opened. */
    async sessionsOf(userId: string, { after, limit }: PageRequest) {
      return await kysely
        .selectFrom('sessions')
        .select([
          'id as cursor',
          'platform',
          'appid',
          'openid',
          'unionid',
          'device',
          'ip',
          'created_at',
          'refreshed_at',
          'last_used_at',
          'idle_expires_at',
          'expires_at',
          'ended_at',
          'end_reason',
        ])
        .where('user_id', '=', userId)
        .$if(after !== undefined, (query) => query.where('id', '>', after ?? ''))
        .orderBy('id')
        .limit(limit)
        .execute()
    },

    /** The audit events about the user after a cursor, the oldest first. */
    async eventsOf(userId: string, { after, limit }: PageRequest) {
      const [at, id] = after?.split(' ') ?? []
      return await kysely.transaction().execute(async (tx) => {
        // By the index of user and time, a page a page: sorting would read all that is left for each of them.
        await sql`set local enable_sort = off`.execute(tx)
        return await tx
          .selectFrom('audit_events')
          .select(['at', 'kind', 'session_id as sid', 'appid', 'ip'])
          // An operator's name and another user's id are not this user's data.
          .select(
            sql<string>`case when actor = 'user' then 'user' when actor like 'platform:%' then 'platform' else 'operator' end`.as(
              'actor',
            ),
          )
          .select(sql<Record<string, unknown> | null>`detail - 'belongs_to'`.as('detail'))
          // To the microsecond, which a Date is not.
          .select(
            sql<string>`to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || ' ' || id`.as('cursor'),
          )
          .where('user_id', '=', userId)
          .$if(after !== undefined, (query) =>
            query.where(sql<boolean>`at >= ${at}::timestamptz and (at, id) > (${at}::timestamptz, ${id}::bigint)`),
          )
          .orderBy('at')
          .orderBy('id')
          .limit(limit)
          .execute()
      })
    },
  }
}
