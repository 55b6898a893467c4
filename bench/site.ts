/** The site of a benchmark: a durable PostgreSQL, Redis and a fake WeChat, each with its pid so that its cost is known. */

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Client } from 'pg'
import { startPostgres } from '../src/dev/services/postgres.ts'
import { startRedis } from '../src/dev/services/redis.ts'
import { freePort } from '../src/dev/services/service.ts'
import { buildServer } from '../src/dev/tools/build-server.ts'
import { startGenerators } from './load.ts'

export type Site = Awaited<ReturnType<typeof startSite>>

export async function startSite(settings: Record<string, string> = {}) {
  await buildServer(fileURLToPath(new URL('../dist/server', import.meta.url)))
  // No checkpoint within a run: it would put one contestant's bill, and the full page images after it, on another's.
  const postgres = await startPostgres({
    fsync: true,
    settings: { checkpoint_timeout: '1h', max_wal_size: '16GB', ...settings },
  })
  const redis = await startRedis()
  const wechat = await startWechat()
  const generators = startGenerators()
  let redisDatabases = 0

  return {
    pids: { postgres: postgres.pid, redis: redis.pid, wechat: wechat.pid },
    generators,
    wechatUrl: wechat.url,
    setWechatDelay: wechat.setDelay,
    /** A database and a Redis database of its own for each contestant, so that none works on another's rows. */
    async storesFor(name: string) {
      const database = `bench_${name.replaceAll('-', '_')}`
      await sql(postgres.url, `create database ${database}`)
      redisDatabases += 1
      return { databaseUrl: postgres.url.replace(/[^/]*$/, database), redisUrl: `${redis.url}/${redisDatabases}` }
    },
    /** What autovacuum does within a minute of a table's growth; a plan made for the empty table goes with it. */
    analyze: (databaseUrl: string) => sql(databaseUrl, 'vacuum analyze'),
    sql,
    /** The plain ones, partitions included: only those have storage settings. */
    async tables(databaseUrl: string) {
      const rows = await sql<{ name: string }>(
        databaseUrl,
        `select oid::regclass::text as name from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace`,
      )
      return rows.map(({ name }) => name)
    },
    async stop() {
      wechat.stop()
      generators.stop()
      await Promise.all([postgres.stop(), redis.stop()])
    },
  }
}

async function sql<Row extends object>(url: string, text: string): Promise<Row[]> {
  const client = new Client({ connectionString: url })
  await client.connect()
  const { rows } = await client.query<Row>(text)
  await client.end()
  return rows
}

async function startWechat() {
  const port = await freePort()
  const child: ChildProcess = fork(fileURLToPath(new URL('fake-wechat.ts', import.meta.url)), {
    env: { ...process.env, PORT: String(port) },
  })
  await once(child, 'message')
  return {
    pid: child.pid ?? 0,
    url: `http://127.0.0.1:${port}`,
    async setDelay(delayMs: number) {
      const taken = once(child, 'message')
      child.send({ delayMs })
      await taken
    },
    stop: () => {
      child.kill()
    },
  }
}
