/** The servers that tests start: they answer, freeze, die, come back, and never outlive the process that started them. */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { Client } from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startPostgres } from './postgres.ts'
import { startRedis } from './redis.ts'
import { childrenOf, type Service } from './service.ts'

let postgres: Service
let redis: Service

beforeAll(async () => {
  postgres = await startPostgres()
  redis = await startRedis()
}, 60_000)

afterAll(async () => {
  await postgres?.stop()
  await redis?.stop()
})

async function query(text: string, url = postgres.url): Promise<unknown> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 500 })
  client.on('error', () => {})
  await client.connect()
  try {
    return (await client.query(text)).rows[0]
  } finally {
    await client.end()
  }
}

async function redisSays(command: (client: Redis) => Promise<unknown>): Promise<unknown> {
  const client = new Redis(redis.url, { commandTimeout: 500, retryStrategy: () => null })
  client.on('error', () => {})
  try {
    return await command(client)
  } finally {
    client.disconnect()
  }
}

test('PostgreSQL answers on a port below the ephemeral range', async () => {
  expect(await query("select current_setting('server_encoding') as encoding")).toEqual({ encoding: 'UTF8' })
  expect(postgres.port).toBeLessThan(32_768)
})

test('a frozen PostgreSQL leaves open connections and new ones without an answer, and a thawed one goes on', async () => {
  const open = new Client({ connectionString: postgres.url })
  await open.connect()
  postgres.freeze()
  const answer = open.query('select 1 as one').then((result) => result.rows[0])
  expect(await Promise.race([answer, sleep(300, 'nothing')])).toBe('nothing')
  await expect(query('select 1')).rejects.toThrow(/timeout/)
  postgres.thaw()
  expect(await answer).toEqual({ one: 1 })
  await open.end()
})

test('a killed PostgreSQL refuses connections, and restarted it still has its committed rows', async () => {
  await query('create table kept as select 42 as answer')
  const { pid, port } = postgres
  await postgres.kill()
  await expect(query('select 1')).rejects.toThrow(/ECONNREFUSED/)
  await postgres.restart()
  expect(await query('select answer from kept')).toEqual({ answer: 42 })
  expect(postgres.pid).not.toBe(pid)
  expect(postgres.port).toBe(port)
}, 30_000)

test('a frozen PostgreSQL can be stopped, and leaves no data behind', async () => {
  const another = await startPostgres({ settings: { work_mem: '5MB' } })
  expect(await query('show work_mem', another.url)).toEqual({ work_mem: '5MB' })
  another.freeze()
  await another.stop()
  expect(existsSync(another.dataDir)).toBe(false)
}, 30_000)

test('a given port that is taken is an error, and no other port is used', async () => {
  await expect(startRedis({ port: redis.port })).rejects.toThrow(/did not start/)
})

test('Redis answers, hangs while frozen, and is empty after kill and restart', async () => {
  expect(await redisSays((client) => client.set('a', '1'))).toBe('OK')
  redis.freeze()
  await expect(redisSays((client) => client.get('a'))).rejects.toThrow(/timed out/)
  redis.thaw()
  expect(await redisSays((client) => client.get('a'))).toBe('1')
  await redis.kill()
  await expect(redisSays((client) => client.get('a'))).rejects.toThrow()
  await redis.restart()
  expect(await redisSays((client) => client.get('a'))).toBe(null)
})

test('the servers and their data die with the process that started them, even by SIGKILL', async () => {
  const program = `
    const { startPostgres } = await import(${JSON.stringify(new URL('./postgres.ts', import.meta.url).href)})
    const { pid, dataDir } = await startPostgres()
    console.log(JSON.stringify({ pid, dataDir }))
    setInterval(() => {}, 1000)`
  const owner = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const line = await new Promise<Buffer>((resolve) => owner.stdout.once('data', resolve))
  const { pid, dataDir }: { pid: number; dataDir: string } = JSON.parse(line.toString())
  const processes = [pid, ...childrenOf(pid)]
  owner.kill('SIGKILL')
  await expect.poll(() => processes.filter(isAlive), { timeout: 10_000 }).toEqual([])
  await expect.poll(() => existsSync(dataDir), { timeout: 10_000 }).toBe(false)
}, 30_000)

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
