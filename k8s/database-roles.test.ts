/** Runs the SQL of docs/deploy.md on a real PostgreSQL: two roles, of which only the migration's can change tables. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { sql } from 'kysely'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { startPostgres } from '../src/dev/services/postgres.ts'
import type { Service } from '../src/dev/services/service.ts'
import { createPostgres, type Database } from '../src/server/storage/database.ts'
import { migrate, pendingMigrations } from '../src/server/storage/migrate.ts'
import { root } from './render.ts'

let postgres: Service
let migration: Database
let server: Database

const connect = (user: string, password: string, database: string) => {
  const url = new URL(postgres.url)
  if (user !== '') Object.assign(url, { username: user, password })
  url.pathname = `/${database}`
  return createPostgres({ url: url.href, poolMax: 2 })
}

beforeAll(async () => {
  postgres = await startPostgres()
  const block = /```sql\n(CREATE ROLE.*?)```/s.exec(readFileSync(join(root, 'docs/deploy.md'), 'utf8'))?.[1] ?? ''
  const [before = '', after = ''] = block.split('\\connect gateway\n')
  for (const [database, text] of [['postgres', before] as const, ['gateway', after] as const]) {
    const superuser = connect('', '', database)
    for (const statement of text.split(';\n').filter((line) => line.trim() !== '')) {
      await sql.raw(statement).execute(superuser.kysely)
    }
    await superuser.close()
  }
  migration = connect('gateway_migration', 'MIGRATION_PASSWORD', 'gateway')
  server = connect('gateway_server', 'SERVER_PASSWORD', 'gateway')
  await migrate(migration.kysely)
})

afterAll(async () => {
  await Promise.all([migration?.close(), server?.close()])
  await postgres?.stop()
})

it('the migration role brings the schema up to date, and the server role can see that it is', async () => {
  expect(await pendingMigrations(server.kysely)).toEqual([])
})

it('the server role reads and writes rows of every table', async () => {
  const { rows } = await sql<{ name: string; missing: string[] }>`
    select tablename as name, array(
      select privilege from unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE']) as privilege
      where not has_table_privilege(quote_ident(tablename), privilege)) as missing
    from pg_tables where schemaname = 'public'`.execute(server.kysely)
  expect(rows.map((row) => row.name)).toEqual(
    expect.arrayContaining(['users', 'sessions', 'signing_keys', 'audit_events']),
  )
  expect(rows.filter((row) => row.missing.length > 0)).toEqual([])
})

it.each(['create table mine (id int)', 'alter table users add column mine int', 'drop table users', 'truncate users'])(
  'the server role cannot change tables: %s',
  async (statement) => {
    await expect(sql.raw(statement).execute(server.kysely)).rejects.toMatchObject({ code: '42501' })
  },
)
