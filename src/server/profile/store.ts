/** Profiles in PostgreSQL: one statement reads, one changes and audits. */
import { type Kysely, sql, type Transaction } from 'kysely'
import type { Actor } from '../actor.ts'
import { auditRows, writeAudit } from '../audit/audit.ts'
import type { Database } from '../storage/database.ts'
import { createPatience, withinLockLimit } from '../storage/held-rows.ts'
import type { Schema } from '../storage/schema.ts'
import { isUniqueViolation } from '../storage/sqlstate.ts'
import { transact } from '../storage/transaction.ts'
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
     * at another version, or gone. Throws RowHeld.
     */
    change: (change: ProfileChange) => patiently(change.userId, () => changeProfile(kysely, change)),

    /**
     * The same with a phone that one user alone may have: who has it until now loses it, since numbers are given to new people and
     * the newer proof is the better one. Audited with both. Undefined when the user is gone.
     */
    async takePhone(change: ProfileChange, phone: string): Promise<ProfileRow | undefined> {
      for (let attempt = 1; ; attempt += 1) {
        try {
          return await patiently(change.userId, () =>
            transact({ kysely }, async (tx) => {
              // Those who take one number queue up here, so that each sees who had it before.
              await sql`select pg_advisory_xact_lock(hashtextextended(${`phone ${phone}`}, 0))`.execute(tx)
              await releasePhone(tx, change, phone)
              const changed = await changeProfile(tx, { ...change, set: { ...change.set, exclusive_phone: phone } })
              // Whoever had the phone keeps it then.
              if (!changed) throw new UserGone()
              return changed
            }),
          )
        } catch (error) {
          if (error instanceof UserGone) return undefined
          // A replica of an older version took it, without queueing.
          if (!isUniqueViolation(error) || attempt === MAX_ATTEMPTS) throw error
        }
      }
    },
  }
}

const MAX_ATTEMPTS = 5

class UserGone extends Error {}

async function releasePhone(tx: Transaction<Schema>, { userId, actor, sid, at }: ProfileChange, phone: string) {
  const before = await tx
    .updateTable('users')
    .set({ phone: null, exclusive_phone: null, version: sql`version + 1`, updated_at: at })
    .where('exclusive_phone', '=', phone)
    .where('id', '<>', userId)
    .returning('id')
    .executeTakeFirst()
  if (!before) return
  const kind = 'phone_moved'
  // Where the other one is, is for operators alone: an export leaves `belongs_to` out. So is the address of the one who took it.
  const away = { kind, at, actor: { ...actor, name: 'system', ip: undefined }, user_id: before.id } as const
  const here = { kind, at, actor, user_id: userId, session_id: sid } as const
  await writeAudit(
    tx,
    { ...away, detail: { moved: 'away', belongs_to: userId } },
    { ...here, detail: { moved: 'here', belongs_to: before.id } },
  )
}

async function changeProfile(db: Kysely<Schema>, { userId, set, chosen, versions, actor, sid, at }: ProfileChange) {
  // Names only: the audit trail outlives the data.
  const fields = Object.keys(set).filter((name) => name !== 'exclusive_phone')
  return await db
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
    .executeTakeFirst()
}

/** A field that is changed again and again is audited once in so long, for each session and address. */
const AUDIT_AGAIN_AFTER = '10 minutes'

/** Whether a change of this `field` is on record already. A burst of changes leaves a row for each field, not for each change. */
const isAudited = ({ userId, sid, actor, at }: Pick<ProfileChange, 'userId' | 'sid' | 'actor' | 'at'>) =>
  sql<boolean>`exists (select from audit_events
    where user_id = ${userId}::uuid and at > ${at}::timestamptz - ${sql.lit(AUDIT_AGAIN_AFTER)}::interval
      and kind = 'profile_changed' and session_id = ${sid}::uuid and actor = ${actor.name}::text
      and ip is not distinct from ${actor.ip ?? null}::text and detail -> 'fields' @> to_jsonb(field))`
