/** Connections to PostgreSQL that break at a bad moment. */
import { sql } from 'kysely'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { openTestStores, type TestStores } from '../../dev/testing/real-stores.ts'
import { GatewayError } from '../errors.ts'
import { DatabaseUnavailable, isDatabaseUnavailable } from './sqlstate.ts'

let stores: TestStores
beforeAll(async () => {
  stores = await openTestStores()
})
afterAll(() => stores.close())

if (inject('stores') === 'real')
  test('a connection that breaks between two statements of a transaction fails that transaction, not the process', async () => {
    const other = stores.replica().database.kysely
    const broken = stores.database.kysely.transaction().execute(async (tx) => {
      const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(tx)
      await sql`select pg_terminate_backend(${rows[0]?.pid})`.execute(other)
      // The goodbye arrives while no query listens: unheard, it would be an uncaught exception.
      await new Promise((resolve) => setTimeout(resolve, 200))
      await sql`select 1`.execute(tx)
    })
    await expect(broken).rejects.toMatchObject({ name: 'DatabaseUnavailable', code: 'B0320', retryAfterSeconds: 2 })
    await expect(sql`select 1 as one`.execute(stores.database.kysely)).resolves.toMatchObject({ rows: [{ one: 1 }] })
  })

test('a database without its schema is a service that is not ready yet, not a defect', async () => {
  await expect(sql`select from not_made_yet`.execute(stores.database.kysely)).rejects.toSatisfy(isDatabaseUnavailable)
})

const withCode = (code: string) => Object.assign(new Error('driver'), { code })

test.each<[unknown, boolean]>([
  [withCode('ECONNREFUSED'), true],
  [withCode('57P01'), true],
  [withCode('53300'), true],
  [withCode('08006'), true],
  [withCode('25006'), true],
  [withCode('42P01'), true],
  [new Error('Query read timeout'), true],
  [new AggregateError([withCode('ECONNREFUSED')]), true],
  [new DatabaseUnavailable(undefined), true],
  [withCode('23505'), false],
  [withCode('22021'), false],
  [new GatewayError('B0320'), false],
  [undefined, false],
])('whether %s is an outage of PostgreSQL', (error, outage) => {
  expect(isDatabaseUnavailable(error)).toBe(outage)
})
