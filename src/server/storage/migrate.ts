/** Brings the database to the newest schema: forward only, safe to run from several places at once. */

import type { Kysely } from 'kysely'
import { Migrator } from 'kysely/migration'
import * as core from '../../../migrations/0001_core.ts'
import * as sessionEnds from '../../../migrations/0002_session_ends.ts'
import * as userClaims from '../../../migrations/0003_user_claims.ts'
import * as sessionParents from '../../../migrations/0004_session_parents.ts'
import * as spentCodes from '../../../migrations/0005_spent_codes.ts'
import * as platformEvents from '../../../migrations/0006_platform_events.ts'
import * as outbox from '../../../migrations/0007_outbox.ts'
import * as operatorSearch from '../../../migrations/0008_operator_search.ts'
import * as childEnds from '../../../migrations/0009_child_ends.ts'
import { buildIndexes } from './indexes.ts'
import type { Schema } from './schema.ts'

/** A static list: type-checked, and the same in development, in tests and in the image. */
const migrations = {
  '0001_core': core,
  '0002_session_ends': sessionEnds,
  '0003_user_claims': userClaims,
  '0004_session_parents': sessionParents,
  '0005_spent_codes': spentCodes,
  '0006_platform_events': platformEvents,
  '0007_outbox': outbox,
  '0008_operator_search': operatorSearch,
  '0009_child_ends': childEnds,
}

const migrator = (db: Kysely<Schema>) => new Migrator({ db, provider: { getMigrations: async () => migrations } })

/**
 * Applies what is missing and returns the names of what it applied. Kysely's lock keeps parallel runs apart. Indexes that operators
 * search by come last: a gateway does not wait for them.
 */
export async function migrate(db: Kysely<Schema>): Promise<string[]> {
  const { error, results } = await migrator(db).migrateToLatest()
  if (error) throw error
  const applied = (results ?? []).filter((result) => result.status === 'Success')
  return [...applied.map((result) => result.migrationName), ...(await buildIndexes(db, operatorSearch.indexes))]
}

/** The names of migrations that this code knows and the database lacks. */
export async function pendingMigrations(db: Kysely<Schema>): Promise<string[]> {
  const known = await migrator(db).getMigrations()
  return known.filter((migration) => migration.executedAt === undefined).map((migration) => migration.name)
}
