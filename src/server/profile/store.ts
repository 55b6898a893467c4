/** Profiles in PostgreSQL: one statement reads, one changes and audits. */
import { sql } from 'kysely'
import type { Actor } from '../actor.ts'
import { auditRows } from '../audit/audit.ts'
import type { Database } from '../storage/database.ts'
import { createPatience, withinLockLimit } from '../storage/held-rows.ts'
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
  const patiently = createPatience()

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
     * at another version, or gone; `phone_taken` when another user has the phone exclusively. Throws RowHeld.
     */
    async change({ userId, set, chosen, versions, actor, sid, at }: ProfileChange) {
      // Names only: the audit trail outlives the data.
      const fields = Object.keys(set).filter((name) => name !== 'exclusive_phone')
      try {
        const statement = kysely
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
              .where(withinLockLimit)
              .$if(versions !== undefined, (update) => update.where('version', 'in', [0, ...(versions ?? [])]))
              .returning(profileColumns),
          )
          .with('fresh', (cte) =>
            cte
              .selectFrom('changed')
              .innerJoin(sql<{ field: string }>`unnest(${fields}::text[])`.as<'f'>(sql`f (field)`), (on) => on.onTrue())
              .where(isAudited({ userId, sid, actor, at }), '=', false)
              .groupBy('changed.id')
              .select(['changed.id as user_id', sql`jsonb_build_object('fields', jsonb_agg(field))`.as('detail')]),
          )
          .with('audited', () =>
            auditRows(
              'fresh',
              { kind: 'profile_changed', at, actor, session_id: sid },
              { user_id: 'user_id', detail: 'detail' },
            ),
          )
          .selectFrom('changed')
          .selectAll()
        return await patiently(userId, () => statement.executeTakeFirst())
      } catch (error) {
        if (isUniqueViolation(error)) return 'phone_taken'
        throw error
      }
    },
  }
}

/** A field that is changed again and again is audited once in so long, for each session and address. */
const AUDIT_AGAIN_AFTER = '10 minutes'

/** Whether a change of this `field` is on record already. A burst of changes leaves a row for each field, not for each change. */
const isAudited = ({ userId, sid, actor, at }: Pick<ProfileChange, 'userId' | 'sid' | 'actor' | 'at'>) =>
  sql<boolean>`exists (select from audit_events
    where user_id = ${userId}::uuid and at > ${at}::timestamptz - ${sql.lit(AUDIT_AGAIN_AFTER)}::interval
      and kind = 'profile_changed' and session_id = ${sid}::uuid and actor = ${actor.name}::text
      and ip is not distinct from ${actor.ip ?? null}::text and detail -> 'fields' @> to_jsonb(field))`
