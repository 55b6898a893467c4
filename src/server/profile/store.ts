/** Profiles in PostgreSQL: one statement reads, one changes and audits; and everything that is kept about one user. */
import { sql } from 'kysely'
import type { Actor } from '../actor.ts'
import type { PlatformIdentity } from '../platforms/platform.ts'
import type { Database } from '../storage/database.ts'
import type { Sex, UsersTable } from '../storage/schema.ts'
import { isUniqueViolation } from '../storage/sqlstate.ts'

export type ProfileRow = {
  id: string
  nickname: string | null
  avatar: string | null
  email: string | null
  phone: string | null
  birthday: string | null
  sex: Sex | null
  address: string | null
  signature: string | null
  roles: string[]
  created_at: Date
  last_login_at: Date
  version: number
}

const profileColumns = [
  'id',
  'nickname',
  'avatar',
  'email',
  'phone',
  'birthday',
  'sex',
  'address',
  'signature',
  'roles',
  'created_at',
  'last_login_at',
  'version',
] as const satisfies (keyof UsersTable)[]

type ProfileColumns = Pick<
  UsersTable,
  'nickname' | 'avatar' | 'email' | 'phone' | 'exclusive_phone' | 'birthday' | 'sex' | 'address' | 'signature'
>

export type ProfileChange = {
  userId: string
  set: Partial<ProfileColumns>
  /** What the user chose here, null included: a login never overwrites it again. */
  chosen: readonly string[]
  /** Applies only to one of these versions; undefined is any. */
  versions: readonly number[] | undefined
  actor: Actor
  sid: string
  at: Date
}

export type ProfileStore = ReturnType<typeof createProfileStore>

export function createProfileStore({ kysely }: Pick<Database, 'kysely'>) {
  return {
    async find(userId: string): Promise<ProfileRow | undefined> {
      return await kysely
        .selectFrom('users')
        .select(profileColumns)
        .where('id', '=', userId)
        .where('status', '=', 'active')
        .executeTakeFirst()
    },

    /**
     * Sets the given columns and no other, so that parallel changes of different fields both last. Undefined when the profile is
     * at another version, or gone; `phone_taken` when another user has the phone exclusively.
     */
    async change({ userId, set, chosen, versions, actor, sid, at }: ProfileChange) {
      // Names only: the audit trail outlives the data.
      const detail = JSON.stringify({ fields: Object.keys(set).filter((name) => name !== 'exclusive_phone') })
      try {
        return await kysely
          .with('changed', (cte) =>
            cte
              .updateTable('users')
              .set({
                ...set,
                version: sql`version + 1`,
                updated_at: at,
                chosen_fields: sql`array(select distinct unnest(chosen_fields || ${[...chosen]}::text[]) order by 1)`,
              })
              .where('id', '=', userId)
              .where('status', '=', 'active')
              .$if(versions !== undefined, (update) => update.where('version', 'in', [0, ...(versions ?? [])]))
              .returning(profileColumns),
          )
          .with('audited', (cte) =>
            cte
              .insertInto('audit_events')
              .columns(['at', 'kind', 'user_id', 'session_id', 'ip', 'actor', 'request_id', 'detail'])
              .expression((eb) =>
                eb
                  .selectFrom('changed')
                  .select([
                    sql<Date>`${at}::timestamptz`.as('at'),
                    sql<string>`'profile_changed'`.as('kind'),
                    'id as user_id',
                    sql<string>`${sid}::uuid`.as('session_id'),
                    sql<string | null>`${actor.ip ?? null}::text`.as('ip'),
                    sql<string>`${actor.name}::text`.as('actor'),
                    sql<string | null>`${actor.requestId ?? null}::text`.as('request_id'),
                    sql<string>`${detail}::jsonb`.as('detail'),
                  ]),
              ),
          )
          .selectFrom('changed')
          .selectAll()
          .executeTakeFirst()
      } catch (error) {
        if (isUniqueViolation(error)) return 'phone_taken'
        throw error
      }
    },

    /** Where the session signed in. */
    async identityOf(sid: string): Promise<PlatformIdentity | undefined> {
      return await kysely
        .selectFrom('sessions')
        .select(['platform', 'appid', 'openid'])
        .where('id', '=', sid)
        .executeTakeFirst()
    },

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
    async everythingOf(userId: string) {
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
