/** A transaction that starts over when PostgreSQL breaks a deadlock with it: rare, harmless, and no reason to fail a request. */
import type { Transaction } from 'kysely'
import type { Database } from './database.ts'
import type { Schema } from './schema.ts'
import { isDeadlock } from './sqlstate.ts'

const MAX_ATTEMPTS = 4

export async function transact<Result>(
  { kysely }: Pick<Database, 'kysely'>,
  work: (tx: Transaction<Schema>) => Promise<Result>,
): Promise<Result> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await kysely.transaction().execute(work)
    } catch (error) {
      if (!isDeadlock(error) || attempt === MAX_ATTEMPTS) throw error
    }
  }
}
