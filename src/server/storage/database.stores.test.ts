/** Connections to PostgreSQL that break at a bad moment. */
import { sql } from 'kysely'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { openTestStores, type TestStores } from '../../dev/testing/real-stores.ts'
import { isDatabaseUnavailable } from './sqlstate.ts'

let stores: TestStores
beforeAll(async () => {
  stores = await openTestStores()
})
afterAll(() => stores.close())

test.runIf(inject('stores') === 'real')(
  'a connection that breaks between two statements of a transaction fails that transaction, not the process',
  async () => {
    const other = stores.replica().database.kysely
    const broken = stores.database.kysely.transaction().execute(async (tx) => {
      const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(tx)
      await sql`select pg_terminate_backend(${rows[0]?.pid})`.execute(other)
      // The goodbye arrives while no query listens: unheard, it would be an uncaught exception.
      await new Promise((resolve) => setTimeout(resolve, 200))
      await sql`select 1`.execute(tx)
    })
    await expect(broken).rejects.toSatisfy(isDatabaseUnavailable)
    await expect(sql`select 1 as one`.execute(stores.database.kysely)).resolves.toMatchObject({ rows: [{ one: 1 }] })
  },
)

test('a database without its schema is a service that is not ready yet, not a defect', async () => {
  await expect(sql`select from not_made_yet`.execute(stores.database.kysely)).rejects.toSatisfy(isDatabaseUnavailable)
})
