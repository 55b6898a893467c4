/** `node bench/sizes.ts [rows]`: what a user, a session, an audit event and a session_key weigh, measured on a real PostgreSQL and Redis. */
import { randomBytes } from 'node:crypto'
import { startPostgres } from '../src/dev/services/postgres.ts'
import { startRedis } from '../src/dev/services/redis.ts'
import { createSealer } from '../src/server/crypto/seal.ts'
import { createVault } from '../src/server/session-key/vault.ts'
import { createRedisCache } from '../src/server/storage/cache.redis.ts'
import { createPostgres } from '../src/server/storage/database.ts'
import { migrate } from '../src/server/storage/migrate.ts'

const rows = Number(process.argv[2] ?? 1_000_000)
const SESSION_KEYS = 100_000
const UPDATED_ROUNDS = 10

const openid = `'o' || substr(md5(random()::text) || md5(random()::text), 1, 27)`
/** As the gateway writes them: ids that sort by time, a nickname for half of the users, an address of the session. */
const id = (age: string) =>
  `encode(set_byte(set_byte(substring(int8send((extract(epoch from now() - ${age}) * 1000)::bigint) from 3) || uuid_send(gen_random_uuid()), 6, 112), 8, 128), 'hex')`
const uuid = (age: string) => `substr(${id(age)}, 1, 32)::uuid`
const age = `(($1::int - n) * interval '1 second')`

const fills = {
  users: `insert into users (id, nickname, avatar, first_session_id, created_at, updated_at, last_login_at)
    select ${uuid(age)}, case when n % 2 = 0 then '用户' || n end, case when n % 2 = 0 then 'https://thirdwx.qlogo.cn/mmopen/vi_32/' || md5(n::text) || '/132' end,
    ${uuid(age)}, now(), now(), now() from generate_series(1, $1::int) n`,
  platform_identities: `insert into platform_identities (platform, appid, openid, user_id, unionid, created_at)
    select 'wechat', 'wx0000000000000001', ${openid}, id, ${openid}, now() from users where $1::int > 0`,
  sessions: `insert into sessions (id, user_id, platform, appid, openid, unionid, device, ip, created_at, refreshed_at, last_used_at, idle_expires_at, expires_at)
    select ${uuid(age)}, user_id, platform, appid, openid, unionid, 'iPhone 15 Pro, WeChat 8.0.50', '203.0.113.' || n % 256,
    now(), now(), now(), now() + interval '30 days', now() + interval '180 days'
    from (select *, row_number() over () as n from platform_identities limit $1::int) as each`,
  audit_events: `insert into audit_events (at, kind, user_id, session_id, appid, ip, actor, request_id, detail)
    select now(), 'login', user_id, id, appid, ip, 'user', encode(uuid_send(id), 'hex'), null from sessions limit $1::int`,
}

const postgres = await startPostgres({ settings: { max_wal_size: '8GB', autovacuum: 'off' } })
const redis = await startRedis()
const database = createPostgres({ url: postgres.url, poolMax: 1, queryTimeoutMs: 900_000 })
const cache = createRedisCache({ url: redis.url })
const ask = async <Row>(name: string, text: string, values: unknown[] = []) =>
  await database.run<Row>({ name, text }, values)

/** Bytes per row of the table with its indexes and partitions. */
async function weigh(table: string): Promise<{ table: number; indexes: number }> {
  await ask(`vacuum ${table}`, `vacuum analyze ${table}`)
  const [size] = await ask<{ data: number; indexes: number }>(
    `size ${table}`,
    `select sum(pg_table_size(relid)) as data, sum(pg_indexes_size(relid)) as indexes from (select '${table}'::regclass as relid union all select inhrelid from pg_inherits where inhparent = '${table}'::regclass) as parts`,
  )
  return { table: Number(size?.data) / rows, indexes: Number(size?.indexes) / rows }
}
const line = (name: string, { table, indexes }: { table: number; indexes: number }) =>
  console.log(`${name.padEnd(34)} ${String(Math.round(table)).padStart(6)} ${String(Math.round(indexes)).padStart(8)}`)

try {
  await migrate(database.kysely)
  console.log(`${rows} rows of each; bytes per row${' '.repeat(9)} table  indexes`)
  for (const [table, text] of Object.entries(fills)) {
    await ask(`fill ${table}`, text, [rows])
    line(table, await weigh(table))
  }
  for (let round = 0; round < UPDATED_ROUNDS; round += 1) {
    await ask(
      'refresh',
      `update sessions set refresh_counter = refresh_counter + 1, refreshed_at = now(), last_used_at = now() where mod(status_index, ${UPDATED_ROUNDS}) = $1`,
      [round],
    )
    await ask('vacuum', 'vacuum sessions')
  }
  line('sessions, each refreshed once', await weigh('sessions'))

  while (!cache.available()) await new Promise((resolve) => setTimeout(resolve, 10))
  const used = async () => Number(/used_memory:(\d+)/.exec(await cache.redis.info('memory'))?.[1])
  const vault = createVault({
    cache,
    sealer: createSealer([{ id: 'k1', secret: randomBytes(32) }]),
    ttlSeconds: 259_200,
  })
  const before = await used()
  for (let done = 0; done < SESSION_KEYS; done += 1000)
    await Promise.all(
      Array.from({ length: 1000 }, () =>
        vault.put(
          { platform: 'wechat', appid: 'wx0000000000000001', openid: `o${randomBytes(20).toString('base64url')}` },
          randomBytes(16).toString('base64'),
        ),
      ),
    )
  console.log(`session_key in Redis, bytes each: ${Math.round(((await used()) - before) / SESSION_KEYS)}`)
} finally {
  await database.close()
  await cache.close()
  await Promise.all([postgres.stop(), redis.stop()])
}
