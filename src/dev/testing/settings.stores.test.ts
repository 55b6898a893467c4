/** Settings of a database or a role that change how values are written, read or locked: the gateway's own hold instead. */
import pg from 'pg'
import { afterEach, describe, expect, inject, test } from 'vitest'
import { everything } from './everything.ts'
import { openTestStores } from './real-stores.ts'
import { startTestGateway, type TestGateway } from './test-gateway.ts'

const opened: TestGateway[] = []
afterEach(async () => {
  for (const gateway of opened.splice(0).reverse()) await gateway.close()
})

/** On a database of its own with these settings, which hold from the next connection on. */
async function startOnSettings(settings: Record<string, string>): Promise<TestGateway> {
  const stores = await openTestStores()
  const psql = new pg.Client({ connectionString: stores.databaseUrl })
  await psql.connect()
  const name = new URL(stores.databaseUrl).pathname.slice(1)
  for (const [setting, value] of Object.entries(settings))
    await psql.query(`alter database ${name} set ${setting} = '${value}'`)
  // Whoever was connected before knows nothing of it.
  await psql.query(
    'select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and pid <> pg_backend_pid()',
    [name],
  )
  await psql.end()
  await new Promise((resolve) => setTimeout(resolve, 200))
  const gateway = await startTestGateway({ stores, environment: { RATE_LIMIT: 'off' } })
  opened.push(gateway)
  return gateway
}

const odd: Record<string, string>[] = [
  { DateStyle: 'German' },
  { DateStyle: 'SQL, DMY', TimeZone: 'Asia/Kathmandu' },
  { IntervalStyle: 'sql_standard', bytea_output: 'escape', standard_conforming_strings: 'off' },
  { extra_float_digits: '-15', array_nulls: 'off', transform_null_equals: 'on' },
  { default_transaction_isolation: 'repeatable read' },
  { default_transaction_isolation: 'serializable', default_transaction_deferrable: 'on' },
  { lock_timeout: '1ms', TimeZone: 'Pacific/Apia' },
  { client_encoding: 'LATIN1', quote_all_identifiers: 'on', escape_string_warning: 'off' },
  // Two values of one list, each quoted.
  { search_path: "elsewhere', 'public", xmloption: 'document', backslash_quote: 'off' },
]

describe.runIf(inject('stores') === 'real')('a database set to', () => {
  test.each(odd.map((settings) => [JSON.stringify(settings), settings] as const))('%s', async (_, settings) => {
    const gateway = await startOnSettings(settings)
    await everything(gateway)
    // A replica reads keys, lists and clocks anew.
    const replica = await gateway.replica()
    opened.push(replica)
    expect((await replica.login('person 0')).status).toBe(200)
    expect((await replica.internalApp.request('/readyz')).status).toBe(200)
    expect(gateway.logs() + replica.logs()).not.toContain('ALERT')
  })
})

test.runIf(inject('stores') === 'real')(
  'a table changed under a running gateway: every statement is prepared anew, and no request fails',
  async () => {
    const gateway = await startOnSettings({})
    const { token } = (await gateway.login('somebody')).body.data
    const all = () =>
      Promise.all(
        Array.from({ length: 40 }, async (_, index) => {
          const { body } = await gateway.login(`person ${index}`)
          const refreshed = await gateway.post('/api/refresh', { refresh_token: body.data?.refresh_token })
          return [body.code, refreshed.body.code, (await gateway.call('GET', '/api/user', { token })).body.code].join()
        }),
      )
    expect(new Set(await all())).toEqual(new Set(['00000,00000,00000']))
    for (const change of [
      'alter table users alter column nickname type varchar(200)',
      'alter table sessions alter column device type varchar(300)',
      'alter table users alter column roles type varchar(64)[]',
    ]) {
      await gateway.stores.database.run({ name: `change ${change.length}`, text: change }, [])
      expect(new Set(await all()), change).toEqual(new Set(['00000,00000,00000']))
    }
  },
)
