/** Profiles in PostgreSQL: one statement reads, one changes and audits. */
import { sql } from 'kysely'
import type { Actor } from '../actor.ts'
import { auditRows } from '../audit/audit.ts'
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
      const detail = { fields: Object.keys(set).filter((name) => name !== 'exclusive_phone') }
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
          .with('audited', () =>
            auditRows('changed', { kind: 'profile_changed', at, actor, session_id: sid, detail }, { user_id: 'id' }),
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
