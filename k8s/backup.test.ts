/** docs/backup.md as printed, on a real PostgreSQL: dump, restore, and what a restored gateway does. */
import { type SpawnSyncReturns, spawn } from 'node:child_process'
import { once } from 'node:events'
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { decodeJwt } from 'jose'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startPostgres } from '../src/dev/services/postgres.ts'
import { startRedis } from '../src/dev/services/redis.ts'
import type { Service } from '../src/dev/services/service.ts'
import { createWechatSimulator } from '../src/dev/simulator/wechat.ts'
import {
  APP_SECRET,
  APPID,
  startTestGateway,
  type TestGateway,
  testEnvironment,
} from '../src/dev/testing/test-gateway.ts'
import { systemClock } from '../src/server/clock.ts'
import { type Listener, listen } from '../src/server/serve/listeners.ts'
import { createMemoryCache } from '../src/server/storage/cache.memory.ts'
import { createPostgres } from '../src/server/storage/database.ts'
import { migrate } from '../src/server/storage/migrate.ts'
import { root } from './render.ts'

/** The server and the tools of one version: a dump is made by tools at least as new as the server. */
const binaries = globSync('/usr/lib/postgresql/*/bin/pg_dump')
  .sort()
  .map((file) => join(file, '..'))
  .at(-1)
if (!binaries)
  process.stderr.write('\n  #### SKIPPED: backup and restore: no PostgreSQL with pg_dump in /usr/lib/postgresql\n\n')

const printed = [...readFileSync(join(root, 'docs/backup.md'), 'utf8').matchAll(/```sh\n([\s\S]*?)```/g)].map(
  ([, commands = '']) => commands,
)

let scratch: string
let postgres: Service
let redis: Service
let wechat: Listener
const simulator = createWechatSimulator({ apps: [{ appid: APPID, secret: APP_SECRET }] })
const gateways: TestGateway[] = []

beforeAll(async () => {
  if (!binaries) return
  scratch = mkdtempSync(join(tmpdir(), 'backup-'))
  ;[postgres, redis, wechat] = await Promise.all([
    startPostgres({ binaries }),
    startRedis(),
    listen(simulator.app, { host: '127.0.0.1', port: 0 }),
  ])
}, 120_000)
afterAll(async () => {
  for (const gateway of gateways) await gateway.close()
  await wechat?.close(0)
  await Promise.all([postgres?.stop(), redis?.stop()])
  if (scratch) rmSync(scratch, { recursive: true, force: true })
})

const urlOf = (database: string) => postgres.url.replace(/\/postgres$/, `/${database}`)

async function createDatabase(name: string): Promise<string> {
  const client = new pg.Client({ connectionString: postgres.url })
  await client.connect()
  await client.query(`create database ${name}`)
  await client.end()
  return urlOf(name)
}

async function serve(databaseUrl: string): Promise<TestGateway> {
  const database = createPostgres({ url: databaseUrl, poolMax: 4 })
  await migrate(database.kysely)
  const cache = createMemoryCache({ clock: systemClock })
  const gateway = await startTestGateway({
    simulator,
    stores: {
      ...{ kind: 'real', database, cache, databaseUrl, redisUrl: '' },
      replica: () => ({ database, cache }),
      close: () => database.close(),
    },
  })
  gateways.push(gateway)
  return gateway
}

/** As pasted into a terminal that stops at the first failure. */
async function paste(commands: string, databaseUrl: string) {
  const child = spawn(
    'bash',
    [
      '-euo',
      'pipefail',
      '-c',
      `cd "$ROOT"\n${commands.replaceAll('gateway.dump', `${scratch}/gateway.dump`).replaceAll('gateway.list', `${scratch}/gateway.list`)}`,
    ],
    {
      env: {
        ...process.env,
        ...testEnvironment,
        ROOT: root,
        PATH: [binaries, join(root, 'node_modules/.bin'), process.env.PATH].join(delimiter),
        DATABASE_URL: databaseUrl,
        REDIS_URL: redis.url,
        WECHAT_API_BASE: wechat.url,
      },
    },
  )
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text: Buffer) => (output += text))
  const [status] = (await once(child, 'close')) as [SpawnSyncReturns<string>['status']]
  return { status, output }
}

const indexOf = (token: string) =>
  (decodeJwt(token).status as { status_list: { idx: number; uri: string } }).status_list

test.skipIf(!binaries && !process.env.CI)(
  'a restored gateway knows its users, its keys and its sessions, and gives no status index twice',
  async () => {
    expect(printed).toHaveLength(2)
    const [dump = '', restore = ''] = printed
    const before = await serve(await createDatabase('gateway'))
    const alice = (await before.login('alice')).body.data
    const dumped = await paste(dump, urlOf('gateway'))
    expect(dumped.status, dumped.output).toBe(0)
    const late = (await before.login('bob')).body.data

    const restoredUrl = await createDatabase('restored')
    const restored = await paste(restore, restoredUrl)
    expect(restored.status, restored.output).toBe(0)
    expect(restored.output).toContain('The schema is up to date.')
    expect(restored.output).not.toMatch(/PROBLEM/)

    const after = await serve(restoredUrl)
    const refreshed = await after.post('/api/refresh', { refresh_token: alice.refresh_token })
    expect(refreshed.body).toMatchObject({ code: '00000', data: { user_id: alice.user_id } })
    expect((await after.call('GET', '/api/sessions', { token: alice.token })).status).toBe(200)
    expect((await after.post('/api/refresh', { refresh_token: late.refresh_token })).body.code).toBe('A0230')
    const next = (await after.login('carol')).body.data
    expect(indexOf(next.token)).not.toEqual(indexOf(late.token))
    expect(indexOf(next.token).uri).not.toBe(indexOf(late.token).uri)
  },
)
