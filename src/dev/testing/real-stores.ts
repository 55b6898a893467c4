/** The stores of one test file: embedded, or a database and a key prefix of its own on the real servers. */
import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { inject } from 'vitest'
import { type Clock, systemClock } from '../../server/clock.ts'
import { createMemoryCache } from '../../server/storage/cache.memory.ts'
import { createRedisCache } from '../../server/storage/cache.redis.ts'
import type { Cache } from '../../server/storage/cache.ts'
import { createPostgres, type Database } from '../../server/storage/database.ts'
import { migrate } from '../../server/storage/migrate.ts'

declare module 'vitest' {
  interface ProvidedContext {
    stores: 'embedded' | 'real'
  }
}

export type TestStores = {
  kind: 'embedded' | 'real'
  database: Database
  cache: Cache
  /** Real only: where another process finds the same stores. */
  databaseUrl: string
  redisUrl: string
  /** Another replica's view of the same stores; on the embedded ones there is only one. */
  replica(): { database: Database; cache: Cache }
  close(): Promise<void>
}

export async function openTestStores({ clock = systemClock }: { clock?: Clock } = {}): Promise<TestStores> {
  return inject('stores') === 'real' ? await openReal() : await openEmbedded(clock)
}

async function openEmbedded(clock: Clock): Promise<TestStores> {
  // Loaded only here: tests on real stores have no use for it.
  const { createPglite } = await import('../pglite.ts')
  const database = await createPglite({ clock })
  await migrate(database.kysely)
  const cache = createMemoryCache({ clock })
  const replica = () => ({ database, cache })
  return { kind: 'embedded', database, cache, databaseUrl: '', redisUrl: '', replica, close: () => database.close() }
}

async function openReal(): Promise<TestStores> {
  const server = inject('databaseUrl')
  const redisUrl = inject('redisUrl')
  const name = `test_${randomBytes(6).toString('hex')}`
  await asAdmin(server, `create database ${name}`)
  const url = new URL(server)
  url.pathname = `/${name}`
  const opened: { database: Database; cache: Cache }[] = []
  function replica() {
    const one = {
      database: createPostgres({ url: url.href, poolMax: 8 }),
      cache: createRedisCache({ url: redisUrl, keyPrefix: `${name}:` }),
    }
    opened.push(one)
    return one
  }
  const first = replica()
  await migrate(first.database.kysely)
  await first.cache.redis.ping().catch(() => new Promise((resolve) => first.cache.redis.once('ready', resolve)))
  return {
    kind: 'real',
    ...first,
    databaseUrl: url.href,
    redisUrl,
    replica,
    async close() {
      await Promise.all(
        opened
          .flatMap(({ database, cache }) => [database.close(), cache.close()])
          .map((closing) => closing.catch(() => undefined)),
      )
      await asAdmin(server, `drop database ${name} with (force)`)
    },
  }
}

async function asAdmin(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query(statement)
  await client.end()
}
