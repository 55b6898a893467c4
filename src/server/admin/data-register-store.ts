/** The columns that the database really has; partitions are those of their parent, and the migrations' own tables hold no data. */
import { sql } from 'kysely'
import type { Database } from '../storage/database.ts'

export type DataRegisterStore = { columns(): Promise<{ table: string; column: string }[]> }

export function createDataRegisterStore({ kysely }: Pick<Database, 'kysely'>): DataRegisterStore {
  return {
    async columns() {
      const { rows } = await sql<{ table: string; column: string }>`
        select c.relname as table, a.attname as column
        from pg_attribute a join pg_class c on c.oid = a.attrelid
        where c.relnamespace = current_schema()::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
          and a.attnum > 0 and not a.attisdropped and c.relname not like 'kysely_migration%'
        order by c.relname, a.attnum`.execute(kysely)
      return rows
    },
  }
}
