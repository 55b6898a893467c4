/** A session that is opened on another server than the last poll asked, before anybody noticed the switch. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openTestStores, type TestStores } from '../../dev/testing/real-stores.ts'
import { newStatusIndex, PLACES_PER_SWITCH, serverIdentity } from './server-identity.ts'

let stores: TestStores
beforeAll(async () => {
  stores = await openTestStores()
})
afterAll(() => stores.close())

const run = async <Row>(text: string, values: unknown[] = []) =>
  (await stores.database.run<Row>({ name: text.slice(0, 60), text }, values))[0] as Row
const next = async () =>
  (await run<{ next: number }>('select last_value + is_called::int as next from session_status_index')).next
const open = (handedOut: number, server: string | null) =>
  run(`select ${newStatusIndex('$1', '$2', '$3')} as index`, [handedOut, 1, server])

test('on the same server places follow one another; on another those that lost commits may have given are left out, once', async () => {
  const { server } = await run<{ server: string }>(`select ${serverIdentity} as server`)
  const first = await next()
  await open(first, server)
  await open(first, server)
  expect(await next()).toBe(first + 2)
  await open(first + 2, 'a server that is gone')
  const jumped = await next()
  expect(jumped).toBeGreaterThan(first + 2 + PLACES_PER_SWITCH)
  await open(first + 2, 'a server that is gone')
  expect(await next()).toBe(jumped + 1)
})

test('before the first poll nothing is compared', async () => {
  const before = await next()
  await open(0, null)
  expect(await next()).toBe(before + 1)
})
