/** A transaction that starts over when another one is in its way: rare, harmless, and no reason to fail a request. */
import { sql, type Transaction } from 'kysely'
import type { Database } from './database.ts'
import type { Schema } from './schema.ts'
import { afterLostRaces, isLockTimeout, isLostRace } from './sqlstate.ts'

const MAX_ATTEMPTS = 4
/** For each lock; with all attempts well within the time limit of a statement, and the connection is free for others in between. */
const LOCK_TIMEOUT_MS = 500

/** Throws RowHeld when somebody else holds a row for longer than all attempts. */
export async function transact<Result>(
  { kysely }: Pick<Database, 'kysely'>,
  work: (tx: Transaction<Schema>) => Promise<Result>,
): Promise<Result> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      // Whatever the database's default is: every decision here is made on a locked row, as it is then.
      const transaction = kysely.transaction().setIsolationLevel('read committed')
      return await transaction.execute(async (tx) => {
        await sql`select set_config('lock_timeout', ${String(LOCK_TIMEOUT_MS)}, true)`.execute(tx)
        return await work(tx)
      })
    } catch (error) {
      if (!(isLostRace(error) || isLockTimeout(error)) || attempt === MAX_ATTEMPTS) throw afterLostRaces(error)
    }
  }
}
