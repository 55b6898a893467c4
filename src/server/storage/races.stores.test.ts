/** Deadlocks, stricter isolation and plans that a change of a table made stale, provoked on purpose: sent again, or told as what passes. */
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { openTestStores, type TestStores } from '../../dev/testing/real-stores.ts'
import { startTestGateway, type TestGateway } from '../../dev/testing/test-gateway.ts'
import type { Database } from './database.ts'
import { transact } from './transaction.ts'

describe.runIf(inject('stores') === 'real')('statements in each other’s way', () => {
  let stores: TestStores
  let database: Database
  let gateway: TestGateway
  beforeAll(async () => {
    stores = await openTestStores()
    database = stores.database
    gateway = await startTestGateway({ stores })
    for (const text of [
      'create table rows_of_two (id int primary key, n int not null default 0)',
      'insert into rows_of_two values (1), (2)',
      // The second row only once the other statement has the first: each then holds what the other waits for.
      `create function in_order(one int, two int) returns int language plpgsql as $$ begin
        update rows_of_two set n = n + 1 where id = one; perform pg_sleep(0.1);
        update rows_of_two set n = n + 1 where id = two; return 1; end $$`,
      `create function always(state text) returns int language plpgsql as $$ begin
        raise exception 'provoked' using errcode = state; end $$`,
    ])
      await sql.raw(text).execute(database.kysely)
  })
  afterAll(() => gateway.close())

  const both = { name: 'in_order', text: 'select in_order($1, $2)' }
  const sumOf = async () =>
    (await database.run<{ n: number }>({ name: 'sum', text: 'select sum(n)::int as n from rows_of_two' }, []))[0]?.n

  test('a deadlock of two statements fails neither', async () => {
    const before = (await sumOf()) ?? 0
    await Promise.all([database.run(both, [1, 2]), database.run(both, [2, 1])])
    expect(await sumOf()).toBe(before + 4)
  })

  test('a deadlock of a statement and a transaction fails neither, and each is done once', async () => {
    const before = (await sumOf()) ?? 0
    await Promise.all([
      transact(database, async (tx) => {
        await sql`update rows_of_two set n = n + 1 where id = 2`.execute(tx)
        await sql`select pg_sleep(0.1)`.execute(tx)
        await sql`update rows_of_two set n = n + 1 where id = 1`.execute(tx)
      }),
      database.run(both, [1, 2]),
    ])
    expect(await sumOf()).toBe(before + 4)
  })

  test.each(['40P01', '40001'])('%s that does not end is 503 B0320 with Retry-After, and no defect', async (state) => {
    const expected = { code: 'B0320', retryAfterSeconds: 1 }
    await expect(database.run({ name: 'always', text: 'select always($1)' }, [state])).rejects.toMatchObject(expected)
    await expect(sql`select always(${state})`.execute(database.kysely)).rejects.toMatchObject(expected)
    await expect(transact(database, (tx) => sql`select always(${state})`.execute(tx))).rejects.toMatchObject(expected)
  })

  test('a plan that is stale is made anew, in whatever language the server says so', async () => {
    const all = { name: 'all rows', text: 'select * from rows_of_two' }
    const read = () => Promise.all(Array.from({ length: 8 }, () => database.run(all, [])))
    await read()
    await sql`alter table rows_of_two add column more int`.execute(database.kysely)
    for (const rows of await read()) expect(rows[0]).toHaveProperty('more')
  })

  test('one login that the database refuses fails alone, among those that share its statement', async () => {
    const bad = gateway.simulator.openidOf(gateway.config.apps[0]?.appid ?? '', 'bad')
    await sql`create function refuse_one() returns trigger language plpgsql as $$ begin
      if new.openid = ${sql.lit(bad)} then raise exception 'refused'; end if; return new; end $$`.execute(
      database.kysely,
    )
    await sql`create trigger refuse_one before insert on platform_identities for each row execute function refuse_one()`.execute(
      database.kysely,
    )
    const people = [...Array.from({ length: 12 }, (_, n) => `good ${n}`), 'bad']
    const replies = await Promise.all(people.map((person) => gateway.login(person)))
    expect(replies.map(({ status }) => status)).toEqual([...Array(12).fill(200), 500])
    await sql`drop trigger refuse_one on platform_identities`.execute(database.kysely)
    expect((await gateway.login('bad')).status).toBe(200)
  })
})
