/** Erasures in PostgreSQL: begun by a trigger with the erasure itself (migrations/0007_outbox.ts), done when every part is. */
import type { Database, Statement } from '../storage/database.ts'

export type ErasureState = {
  id: string
  at: Date
  pictureAt: Date | null
  services: { name: string; confirmed_at: string | null }[]
}

const findStatement: Statement = {
  name: 'find_erasure',
  text: `
    select e.id, e.at, case when e.picture is null then coalesce(e.picture_deleted_at, e.at) end as "pictureAt",
      coalesce((select json_agg(json_build_object('name', c.target, 'confirmed_at', c.confirmed_at) order by c.target)
        from erasure_confirmations c where c.erasure_id = e.id), '[]') as services
    from erasures e where e.id = $1::uuid`,
}

const overdueStatement: Statement = {
  name: 'overdue_erasures',
  text: `
    select count(distinct late.id)::int as count, coalesce(array_agg(distinct late.part), '{}') as parts from (
      select e.id, c.target as part from erasure_confirmations c join erasures e on e.id = c.erasure_id
        join event_targets t on t.id = c.target
      where c.confirmed_at is null and e.at < clock_timestamp() - make_interval(hours => $1::int)
      union all
      select e.id, 'picture' from erasures e
      where e.picture is not null and e.at < clock_timestamp() - make_interval(hours => $1::int)
    ) late`,
}

export type ErasureStore = ReturnType<typeof createErasureStore>

export function createErasureStore({ run }: Pick<Database, 'run'>) {
  return {
    async find(receiptId: string): Promise<ErasureState | undefined> {
      const [row] = await run<ErasureState>(findStatement, [receiptId])
      return row
    },

    /** How many erasures are late, and whose parts: names of targets, and `picture`. */
    async overdue(hours: number): Promise<{ count: number; parts: string[] }> {
      const [row] = await run<{ count: number; parts: string[] }>(overdueStatement, [hours])
      return row ?? { count: 0, parts: [] }
    },
  }
}
