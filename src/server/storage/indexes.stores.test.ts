/** Indexes that are built while gateways serve. */
import { sql } from 'kysely'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { indexes } from '../../../migrations/0008_operator_search.ts'
import { openTestStores, type TestStores } from '../../dev/testing/real-stores.ts'
import { buildIndexes } from './indexes.ts'

let stores: TestStores
beforeAll(async () => {
  stores = await openTestStores()
})
afterAll(() => stores.close())

const valid = async () =>
  (
    await sql<{ name: string }>`select indexrelid::regclass::text as name from pg_index where indisvalid`.execute(
      stores.database.kysely,
    )
  ).rows.map(({ name }) => name)

test('a migration leaves every one valid, of partitions that come later too, and builds none twice', async () => {
  expect(await valid()).toEqual(expect.arrayContaining(indexes.map(({ name }) => name)))
  expect(await buildIndexes(stores.database.kysely, indexes)).toEqual([])
  await sql`create table audit_events_2039_01 partition of audit_events for values from ('2039-01-01') to ('2039-02-01')`.execute(
    stores.database.kysely,
  )
  const { rows } =
    await sql`select 1 from pg_indexes where tablename = 'audit_events_2039_01' and indexdef like '%(actor, at)%'`.execute(
      stores.database.kysely,
    )
  expect(rows).toHaveLength(1)
})

test.runIf(inject('stores') === 'real')(
  'one that broke off is built anew, by one of two programs, beside a transaction that has written and is still open',
  async () => {
    const { kysely } = stores.database
    // What a build leaves behind when its program is killed.
    await sql`update pg_index set indisvalid = false where indexrelid = 'users_not_active'::regclass`.execute(kysely)
    await sql`drop index audit_events_actor`.execute(kysely)
    const [first, second] = [stores.replica(), stores.replica()]
    const built = Promise.all([first, second].map(({ database }) => buildIndexes(database.kysely, indexes)))
    // No writer waits for the build.
    await sql`insert into audit_events (at, kind, actor) values (now(), 'login', 'user')`.execute(kysely)
    expect((await built).flat().sort()).toEqual(['audit_events_actor', 'users_not_active'])
    expect(await valid()).toEqual(expect.arrayContaining(['audit_events_actor', 'users_not_active']))
  },
)
