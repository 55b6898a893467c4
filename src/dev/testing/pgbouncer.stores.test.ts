/** The whole flow through a real PgBouncer in transaction mode, of a version that knows no prepared statements. */
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { createRedisCache } from '../../server/storage/cache.redis.ts'
import { createPostgres } from '../../server/storage/database.ts'
import { startPgbouncer } from '../services/pgbouncer.ts'
import { ask } from '../services/postgres-pair.ts'
import type { Service } from '../services/service.ts'
import { everything } from './everything.ts'
import { startTestGateway, type TestGateway } from './test-gateway.ts'

const BOSS = 'operator-boss-0123456789-0123456789'
const POOL_SIZE = 3
/** What a pooler neither takes at the start of a connection nor keeps apart between clients. */
const oddSettings = [
  "DateStyle = 'German'",
  "TimeZone = 'Asia/Kathmandu'",
  "IntervalStyle = 'sql_standard'",
  "bytea_output = 'escape'",
  'extra_float_digits = -15',
  'array_nulls = off',
  "default_transaction_isolation = 'serializable'",
]

describe.runIf(inject('stores') === 'real')('through PgBouncer in transaction mode', () => {
  const name = `test_${randomBytes(6).toString('hex')}`
  const onDatabase = (server: string) => Object.assign(new URL(server), { pathname: `/${name}` }).href
  const direct = onDatabase(inject('databaseUrl') || 'postgres://unused')
  let pgbouncer: Service
  let migration: ReturnType<typeof spawnSync>
  let gateway: TestGateway

  beforeAll(async () => {
    await ask(inject('databaseUrl'), `create database ${name}`)
    for (const setting of oddSettings) await ask(inject('databaseUrl'), `alter database ${name} set ${setting}`)
    pgbouncer = await startPgbouncer({ port: Number(new URL(direct).port), poolSize: POOL_SIZE })
    const pooled = onDatabase(pgbouncer.url)
    migration = spawnSync(process.execPath, [fileURLToPath(new URL('../../migrate.ts', import.meta.url))], {
      env: { ...process.env, DATABASE_URL: pooled, MIGRATION_DATABASE_URL: direct },
      encoding: 'utf8',
    })
    const database = createPostgres({ url: pooled, poolMax: 8, preparedStatements: false })
    const cache = createRedisCache({ url: inject('redisUrl'), keyPrefix: `${name}:` })
    gateway = await startTestGateway({
      environment: {
        DATABASE_PREPARED_STATEMENTS: 'off',
        SESSION_LIMIT: '20',
        RATE_LIMIT: 'off',
        ADMIN_TOKENS: `boss:admin:${BOSS}`,
      },
      stores: {
        kind: 'real',
        database,
        cache,
        databaseUrl: pooled,
        redisUrl: inject('redisUrl'),
        replica: () => expect.fail('one replica is enough here'),
        close: async () => undefined,
      },
    })
  })
  afterAll(async () => {
    await gateway?.close()
    await pgbouncer?.stop()
    await ask(inject('databaseUrl'), `drop database if exists ${name} with (force)`)
  })

  test('migrations go by MIGRATION_DATABASE_URL', () => {
    expect(migration.stdout).toMatch(/^Applied: 0001/)
    expect(migration.status).toBe(0)
  })

  test('hundreds of logins, refreshes and ends of sessions at once share a few connections of PostgreSQL', async () => {
    const codes: string[] = []
    const journey = async (person: string) => {
      const login = await gateway.login(person)
      const renewed = await gateway.post('/api/refresh', { refresh_token: login.body.data?.refresh_token })
      const token = renewed.body.data?.token
      const sessions = await gateway.call('GET', '/api/sessions', { token })
      const ended = await gateway.call('DELETE', '/api/sessions?scope=all', { token })
      const after = await gateway.post('/api/refresh', { refresh_token: renewed.body.data?.refresh_token })
      codes.push([login, renewed, sessions, ended, after].map(({ body }) => body.code).join(' '))
    }
    await Promise.all(Array.from({ length: 200 }, (_, index) => journey(`person ${index}`)))
    expect(new Set(codes)).toEqual(new Set(['00000 00000 00000 00000 A0230']))
    const connections = await ask(direct, `select count(*)::int from pg_stat_activity where datname = '${name}'`)
    // And the one that asks.
    expect(connections).toBeLessThanOrEqual(POOL_SIZE + 1)
  })

  test('a database with odd settings, which nobody can change through the pooler, does no harm', async () => {
    await everything(gateway)
    expect(gateway.logs()).not.toContain('ALERT')
  })

  test("an operator's transaction commits as a whole: the user is suspended, every session ended, the act audited", async () => {
    const { user_id, refresh_token } = (await gateway.login('suspect')).body.data
    const path = `/admin/users/${user_id}/suspend`
    expect((await gateway.internal('POST', path, { token: BOSS })).body.code).toBe('00000')
    expect((await gateway.post('/api/refresh', { refresh_token })).body.code).not.toBe('00000')
    expect((await gateway.login('suspect')).body.code).toBe('A0202')
    const { items } = (await gateway.internal('GET', `/admin/audit?user_id=${user_id}`, { token: BOSS })).body.data
    expect(items.map(({ kind }: { kind: string }) => kind)).toContain('user_suspended')
  })
})
