/** Profiles in PostgreSQL: one statement reads, one changes and audits. */
import { sql } from 'kysely'
import type { Actor } from '../actor.ts'
import type { Database } from '../storage/database.ts'
import { isUniqueViolation } from '../storage/sqlstate.ts'
import { type ProfileFields, profileColumns } from '../users/profile-fields.ts'

export type ProfileRow = ProfileFields & {
  id: string
  roles: string[]
  created_at: Date
  last_login_at: Date
  version: number
}

export type ProfileChange = {
  userId: string
  set: Partial<ProfileFields & { exclusive_phone: string | null }>
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
  }
}
