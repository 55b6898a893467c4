/** How many users and live sessions there are: counted while that is cheap, estimated from the planner's statistics beyond. */
import { type RawBuilder, sql } from 'kysely'
import type { Database } from '../storage/database.ts'

export type Count = { count: number; estimated: boolean }

/** A table of this size is counted in some tens of milliseconds. */
const COUNTED_BYTES = 32 * 1024 * 1024
/** Beyond so many the rare states are estimated, too. */
const COUNTED_ROWS = 100_000

export type CountsStore = ReturnType<typeof createCountsStore>

export function createCountsStore({ kysely, clock }: Pick<Database, 'kysely' | 'clock'>) {
  async function isSmall(table: 'users' | 'sessions'): Promise<boolean> {
    const { rows } = await sql<{ bytes: number }>`select pg_relation_size(${table}::regclass)::bigint as bytes`.execute(
      kysely,
    )
    return Number(rows[0]?.bytes ?? 0) <= COUNTED_BYTES
  }

  async function counted(chosen: RawBuilder<unknown>): Promise<number> {
    const { rows } = await sql<{ n: number }>`
      select count(*)::int as n from (select 1 ${chosen} limit ${COUNTED_ROWS + 1}) as found`.execute(kysely)
    return rows[0]?.n ?? 0
  }

  /** What the planner expects: reads statistics alone. */
  async function expected(chosen: RawBuilder<unknown>): Promise<number> {
    const { rows } = await sql<{ 'QUERY PLAN': { Plan: { 'Plan Rows': number } }[] }>`
      explain (format json) select 1 ${chosen}`.execute(kysely)
    return Math.round(rows[0]?.['QUERY PLAN'][0]?.Plan['Plan Rows'] ?? 0)
  }

  async function count(chosen: RawBuilder<unknown>, cheap: boolean): Promise<Count> {
    const found = cheap ? await counted(chosen) : COUNTED_ROWS + 1
    return found <= COUNTED_ROWS
      ? { count: found, estimated: false }
      : { count: await expected(chosen), estimated: true }
  }

  return {
    async users(): Promise<Record<'active' | 'suspended' | 'erased', Count>> {
      const small = await isSmall('users')
      return {
        active: await count(sql`from users where status = 'active'`, small),
        // By the index of those that are not active.
        suspended: await count(sql`from users where status = 'suspended'`, true),
        erased: await count(sql`from users where status = 'erased'`, true),
      }
    },
    async liveSessions(): Promise<Count> {
      const at = clock.now()
      const live = sql`from sessions where ended_at is null and idle_expires_at > ${at} and expires_at > ${at}`
      return await count(live, await isSmall('sessions'))
    },
  }
}
