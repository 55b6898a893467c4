/** What a flood of logins does to everybody else on the same process, without a clock: an order in which things are answered. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openTestStores } from './real-stores.ts'
import { startTestGateway, type TestGateway } from './test-gateway.ts'

const ADMIN = 'i'.repeat(32)
let gateway: TestGateway
let letLoginsThrough: () => void
let held = false
const through = new Promise<void>((resolve) => {
  letLoginsThrough = resolve
})

beforeAll(async () => {
  const stores = await openTestStores()
  const { database } = stores
  const run: typeof database.run = async (statement, values) => {
    if (held && statement.name === 'sign_in') await through
    return await database.run(statement, values)
  }
  gateway = await startTestGateway({
    stores: { ...stores, database: { ...database, run } },
    environment: { ADMIN_TOKENS: `all:introspect:${ADMIN}` },
  })
})
afterAll(() => gateway?.close())

test('while 500 logins wait for the database, a refresh, /verify, the documents and the probes are answered before any of them', async () => {
  const { data } = (await gateway.login('early')).body
  held = true
  const answered: string[] = []
  const logins = Array.from({ length: 500 }, async (_, n) => {
    const { status } = await gateway.login(`late ${n}`)
    answered.push(`login ${status}`)
  })
  const headers = { authorization: `Bearer ${data.token}` }
  const others = {
    refresh: () => gateway.post('/api/refresh', { refresh_token: data.refresh_token }),
    profile: () => gateway.call('GET', '/api/user', { token: data.token }),
    jwks: () => gateway.publicApp.request('/.well-known/jwks.json'),
    verify: () => gateway.internalApp.request('/verify', { headers }),
    livez: () => gateway.internalApp.request('/livez'),
    readyz: () => gateway.internalApp.request('/readyz'),
  }
  for (const [name, ask] of Object.entries(others)) answered.push(`${name} ${(await ask()).status}`)
  expect(answered).toEqual(Object.keys(others).map((name) => `${name} 200`))
  letLoginsThrough()
  await Promise.all(logins)
  expect(answered.slice(6)).toEqual(Array(500).fill('login 200'))
})
