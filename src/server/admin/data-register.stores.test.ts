/** The register of personal data against the database as the migrations make it. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestGateway, type TestGateway } from '../../dev/testing/test-gateway.ts'
import { register } from './data-register.ts'
import { createDataRegisterStore } from './data-register-store.ts'

const READER = 'reader-of-the-register-0123456789-0123456789'
const OTHER = 'without-the-scope-0123456789-0123456789-01'

let gateway: TestGateway
beforeAll(async () => {
  gateway = await startTestGateway({ environment: { ADMIN_TOKENS: `r:admin-read:${READER},o:open-data:${OTHER}` } })
})
afterAll(() => gateway.close())

const nameOf = ({ table, column }: { table: string; column: string }) => `${table}.${column}`
const get = (token: string) => gateway.internal('GET', '/admin/data-register', { token })

test('every column of the migrated database is in the register, and every entry has its column', async () => {
  const real = (await createDataRegisterStore(gateway.stores.database).columns()).map(nameOf)
  expect(real).toContain('users.phone')
  expect(register.map(nameOf).sort()).toEqual(real.sort())
})

test('what names or describes a person has a ground and a retention', () => {
  const personal = register.filter(({ kind }) => kind !== 'technical' && kind !== 'secret')
  expect(personal.length).toBeGreaterThan(40)
  expect(personal.filter(({ basis }) => basis === 'none').map(nameOf)).toEqual([])
  expect(register.filter((one) => !one.retention || !one.purpose || !one.recipients).map(nameOf)).toEqual([])
})

test('operators read it, with a column that nobody has described', async () => {
  const { run } = gateway.stores.database
  await run({ name: 'own_column', text: 'alter table users add column loyalty_points integer' }, [])
  const { status, body } = await get(READER)
  expect(status).toBe(200)
  const { columns, elsewhere } = body.data
  expect(columns.find(({ column }: { column: string }) => column === 'loyalty_points')).toMatchObject({
    kind: 'undescribed',
  })
  expect(columns.find((one: never) => nameOf(one) === 'users.phone')).toMatchObject({
    kind: 'contact',
    basis: 'consent',
  })
  expect(elsewhere.map(({ what }: { what: string }) => what)).toContain('session-key:*')
  expect((await get(OTHER)).status).toBe(403)
  await run({ name: 'drop_own_column', text: 'alter table users drop column loyalty_points' }, [])
})
