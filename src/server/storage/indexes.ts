/** Indexes on large tables, built while gateways serve: CREATE INDEX CONCURRENTLY, by one program at a time, again where it broke off. */
import { setTimeout as pause } from 'node:timers/promises'
import { type Kysely, sql } from 'kysely'
import type { Schema } from './schema.ts'

export type IndexDescription = { name: string; table: string; on: string }

const LOCK = sql`hashtextextended('build indexes', 0)`
const LOCK_POLL_MS = 200

/** Builds what is missing or was left invalid; answers the names of what it built. */
export async function buildIndexes(db: Kysely<Schema>, indexes: readonly IndexDescription[]): Promise<string[]> {
  if ((await missing(db, indexes)).length === 0) return []
  // The lock belongs to the session, so all of it is done on one connection.
  return await db.connection().execute(async (connection) => {
    // Asked for again and again instead of waited for: a build waits for every statement under way, and so for one that waits for it.
    while (!(await tryLock(connection))) await pause(LOCK_POLL_MS)
    try {
      const built: string[] = []
      for (const index of await missing(connection, indexes)) {
        await build(connection, index)
        built.push(index.name)
      }
      return built
    } finally {
      await sql`select pg_advisory_unlock(${LOCK})`.execute(connection)
    }
  })
}

async function tryLock(db: Kysely<Schema>): Promise<boolean> {
  const { rows } = await sql<{ got: boolean }>`select pg_try_advisory_lock(${LOCK}) as got`.execute(db)
  return rows[0]?.got === true
}

async function missing(db: Kysely<Schema>, indexes: readonly IndexDescription[]): Promise<IndexDescription[]> {
  const { rows } = await sql<{ name: string }>`
    select c.relname as name from pg_index i join pg_class c on c.oid = i.indexrelid
    where i.indisvalid and c.relnamespace = current_schema()::regnamespace`.execute(db)
  const valid = new Set(rows.map(({ name }) => name))
  return indexes.filter(({ name }) => !valid.has(name))
}

async function build(db: Kysely<Schema>, { name, table, on }: IndexDescription): Promise<void> {
  const partitions = await partitionsOf(db, table)
  if (partitions.length === 0) return await buildOn(db, name, table, on)
  // PostgreSQL builds no index of a partitioned table concurrently: an empty one first, which later partitions inherit, then each
  // partition's own. It becomes valid with the last.
  await sql`create index if not exists ${sql.id(name)} on only ${sql.table(table)} ${sql.raw(on)}`.execute(db)
  for (const partition of partitions) {
    if (await isAttached(db, name, partition)) continue
    const own = `${partition}_${name}`.slice(0, 63)
    await buildOn(db, own, partition, on)
    await sql`alter index ${sql.id(name)} attach partition ${sql.id(own)}`.execute(db)
  }
}

async function buildOn(db: Kysely<Schema>, name: string, table: string, on: string): Promise<void> {
  // One that broke off is there, invalid, and would be taken for done.
  const { rows } = await sql`
    select 1 from pg_index i join pg_class c on c.oid = i.indexrelid
    where not i.indisvalid and c.relname = ${name} and c.relnamespace = current_schema()::regnamespace`.execute(db)
  if (rows.length > 0) await sql`drop index concurrently if exists ${sql.id(name)}`.execute(db)
  await sql`create index concurrently if not exists ${sql.id(name)} on ${sql.table(table)} ${sql.raw(on)}`.execute(db)
}

async function partitionsOf(db: Kysely<Schema>, table: string): Promise<string[]> {
  const { rows } = await sql<{ name: string }>`
    select c.relname as name from pg_inherits h join pg_class c on c.oid = h.inhrelid
    where h.inhparent = ${table}::regclass order by 1`.execute(db)
  return rows.map(({ name }) => name)
}

async function isAttached(db: Kysely<Schema>, index: string, partition: string): Promise<boolean> {
  const { rows } = await sql`
    select 1 from pg_inherits h join pg_index i on i.indexrelid = h.inhrelid
    where h.inhparent = ${index}::regclass and i.indrelid = ${partition}::regclass`.execute(db)
  return rows.length > 0
}
