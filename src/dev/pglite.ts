/** The embedded PostgreSQL of development and of fast tests: the same Kysely and the same statements, on PGlite. */
import { PGlite } from '@electric-sql/pglite'
import { Kysely, PGliteDialect } from 'kysely'
import { type Clock, systemClock } from '../server/clock.ts'
import { type Database, parsers, type Statement } from '../server/storage/database.ts'
import type { Schema } from '../server/storage/schema.ts'

/** `directory` undefined keeps it in memory. */
export async function createPglite(
  source: { directory?: string; loadDataDir?: Blob; clock?: Clock } = {},
): Promise<Database & { pglite: PGlite }> {
  const pglite = await PGlite.create({
    ...(source.directory === undefined ? {} : { dataDir: source.directory }),
    ...(source.loadDataDir === undefined ? {} : { loadDataDir: source.loadDataDir }),
    parsers,
  })
  const kysely = new Kysely<Schema>({ dialect: new PGliteDialect({ pglite }) })
  return {
    pglite,
    kysely,
    run: async <Row>({ text }: Statement, values: readonly unknown[]) =>
      (await pglite.query<Row>(text, [...values])).rows,
    clock: databaseClockOf(source.clock ?? systemClock),
    pool: () => ({ total: 1, idle: 1, waiting: 0 }),
    available: () => true,
    span: undefined,
    close: () => kysely.destroy(),
  }
}

/** A database that has this very clock: the embedded one, which lives in the process, and one whose time a test moves. */
export const databaseClockOf = (clock: Clock): Database['clock'] => ({
  now: () => clock.now(),
  measure: async () => {},
  errorMs: () => 0,
})
