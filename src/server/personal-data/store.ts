/** All that is kept about one user, and whose a platform identity is. */
import { sql } from 'kysely'
import type { PlatformIdentity } from '../platforms/platform.ts'
import type { Database } from '../storage/database.ts'
import { profileColumns } from '../users/profile-fields.ts'

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

    /** Everything that is kept about the user, for them to read; undefined when the user is gone. */
    async personalDataOf(userId: string) {
      // One snapshot, so that the parts fit each other.
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
            .select(['union_name', 'unionid'])
            .where('user_id', '=', userId)
            .execute()
          const sessions = await tx
            .selectFrom('sessions')
            .select([
              'id as sid',
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
            .orderBy('created_at')
            .execute()
          const events = await tx
            .selectFrom('audit_events')
            .select(['at', 'kind', 'session_id as sid', 'appid', 'ip'])
            // An operator's name and another user's id are not this user's data.
            .select(sql<string>`case when actor = 'user' then 'user' else 'operator' end`.as('actor'))
            .select(sql<Record<string, unknown> | null>`detail - 'belongs_to'`.as('detail'))
            .where('user_id', '=', userId)
            .orderBy('at')
            .orderBy('id')
            .execute()
          return { user, identities, unions, sessions, events }
        })
    },
  }
}
