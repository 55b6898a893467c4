/** How PostgreSQL means to run the hot statements on a database that nobody has used or analysed yet. */
import { sql } from 'kysely'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { openTestStores, type TestStores } from '../../dev/testing/real-stores.ts'
import { refreshStatement } from '../sessions/store.ts'
import { signInStatement } from './store.ts'

let stores: TestStores
beforeAll(async () => {
  stores = await openTestStores()
})
afterAll(() => stores.close())

test.runIf(inject('stores') === 'real').each([
  [signInStatement, "'[]', now(), 1, 20, 0, null, ''"],
  [refreshStatement, "'[]', now(), now(), 1, now()"],
])(
  'a plan made while the tables are empty looks every row up by index ($0.name)',
  async ({ name, text }, parameters) => {
    const plan = await stores.database.kysely.transaction().execute(async (tx) => {
      await sql`set local plan_cache_mode = force_generic_plan`.execute(tx)
      await sql`${sql.raw(`prepare plan_of_${name} as ${text}`)}`.execute(tx)
      const { rows } = await sql`${sql.raw(`explain execute plan_of_${name}(${parameters})`)}`.execute(tx)
      await sql`${sql.raw(`deallocate plan_of_${name}`)}`.execute(tx)
      return JSON.stringify(rows)
    })
    expect(plan).toContain('Index Scan')
    expect(plan).not.toContain('Seq Scan')
  },
)
