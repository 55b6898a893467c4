/**
 * Fills a migrated database with people as a year of business leaves them: users, identities, a session each, and the audit
 * trail of those logins. PostgreSQL makes the rows itself (`insert ... select generate_series`, in chunks), the four tables side by
 * side: no data goes over a wire, and no driver for COPY is needed.
 */

import { Client } from 'pg'

export type Population = {
  users: number
  /** Indexes of the status lists left free for sessions that came before (addExpired). */
  indexesBefore: number
}

/** Each gets as many rows as there are users. */
export const TABLES = 4

const CHUNK_ROWS = 200_000
const APPID = 'wxbench0000000000'
/** Built after a large load, as anybody would who moves that many rows: into a random index each row costs a page. */
const LATER = [
  'platform_identities_pkey',
  'platform_identities_user',
  'platform_identities_openid',
  'sessions_user',
  'audit_events_user',
]

export async function populate(databaseUrl: string, population: Population, onRows: (rows: number) => void) {
  const { users, indexesBefore } = population
  const now = new Date()
  // Building an index on a table of one row leaves statistics of one row, and plans that suit it.
  const rebuild = users > CHUNK_ROWS ? await setAside(databaseUrl) : []
  await run(databaseUrl, lastMonthsPartition(now))
  await Promise.all(tablesOf(population, now).map((insert) => inChunks(databaseUrl, insert, users, onRows)))
  for (const statement of rebuild) await run(databaseUrl, statement)
  await run(databaseUrl, `select setval('session_status_index', ${indexesBefore + users}, false)`)
  // Housekeeping has just been here: it is measured apart.
  await run(databaseUrl, 'update housekeeping set done_at = now()')
}

/** Sessions that nobody refreshed for a month, with nothing but their ids in the way of the living. */
export async function addExpired(databaseUrl: string, count: number, onRows: (rows: number) => void) {
  const at = `now() - interval '60 days' + interval '20 days' * (n / ${count}::float8)`
  const insert = (from: number, to: number) => `
    insert into sessions (id, user_id, platform, appid, openid, status_index, created_at, refreshed_at, last_used_at, idle_expires_at, expires_at)
    select ${uuidAt('at', `'expired' || n`)}, gen_random_uuid(), 'wechat', '${APPID}', ${openid('n')}, n, at, at, at,
      at + interval '30 days', at + interval '180 days'
    from (select n, ${at} as at from generate_series(${from}, ${to}) n) s`
  await inChunks(databaseUrl, insert, count, onRows)
  await run(databaseUrl, 'vacuum analyze sessions')
}

type InsertRows = (from: number, to: number) => string

function tablesOf({ users, indexesBefore }: Population, now: Date): InsertRows[] {
  const start = `timestamptz '${now.toISOString()}'`
  const series = (from: number, to: number) => `generate_series(${from}::bigint, ${to}) n`
  const share = (n: string) => `((${n}) / ${users}::float8)`
  /** The first came a year ago, the last yesterday. */
  const joined = (n: string) => `(${start} - interval '365 days' + interval '364 days' * ${share(n)})`
  const userId = (n: string) => uuidAt(joined(n), `'user' || (${n})`)
  /** In the order of time within the last 29 days, and in no order of the users: 7919 is prime. */
  const signedIn = (n: string) => `(${start} - interval '29 days' + interval '28 days' * ${share(n)})`
  const sessionOwner = `n * 7919 % ${users}`
  const sessionId = uuidAt('at', `'session' || n`)
  const sessions = (from: number, to: number) =>
    `(select n, ${sessionOwner} as owner, ${signedIn('n')} as at from ${series(from, to)}) s`

  return [
    (from, to) => `
      insert into users (id, first_session_id, created_at, updated_at, last_login_at)
      select ${uuidAt('at', `'user' || n`)}, ${uuidAt('at', `'first' || n`)}, at, at, at
      from (select n, ${joined('n')} as at from ${series(from, to)}) u`,
    (from, to) => `
      insert into platform_identities (platform, appid, openid, user_id, created_at)
      select 'wechat', '${APPID}', ${openid('n')}, ${uuidAt('at', `'user' || n`)}, at
      from (select n, ${joined('n')} as at from ${series(from, to)}) u`,
    // One in a hundred has logged out, within the week that housekeeping keeps such sessions.
    (from, to) => `
      insert into sessions (id, user_id, platform, appid, openid, ip, status_index, created_at, refreshed_at, last_used_at,
        idle_expires_at, expires_at, ended_at, end_reason)
      select ${sessionId}, ${userId('owner')}, 'wechat', '${APPID}', ${openid('owner')}, '203.0.113.7', ${indexesBefore} + n, at, at, at,
        at + interval '30 days', at + interval '180 days',
        case when n % 100 = 99 then greatest(at, ${start} - random() * interval '6 days') end, case when n % 100 = 99 then 'logout' end
      from ${sessions(from, to)}`,
    (from, to) => `
      insert into audit_events (at, kind, user_id, session_id, appid, ip, actor, request_id)
      select at, 'login', ${userId('owner')}, ${sessionId}, '${APPID}', '203.0.113.7', 'user', md5('request' || n)
      from ${sessions(from, to)}`,
  ]
}

/** As the fake WeChat makes it from the code `u<n>`. */
const openid = (n: string) => `'o' || left(md5((${n})::text), 27)`

/** A version 7 UUID (RFC 9562 section 5.7) that anybody can work out again from its time and its seed. */
function uuidAt(at: string, seed: string): string {
  const milliseconds = `lpad(to_hex((extract(epoch from ${at}) * 1000)::bigint), 12, '0')`
  return `(${milliseconds} || '7' || left(md5(${seed}), 3) || '8' || substr(md5(${seed}), 4, 15))::uuid`
}

async function inChunks(databaseUrl: string, insert: InsertRows, rows: number, onRows: (rows: number) => void) {
  await withClient(databaseUrl, async (client) => {
    // The rows fit each other by construction; looking every user up again for the foreign key doubles the time.
    await client.query('set session_replication_role = replica')
    for (let from = 0; from < rows; from += CHUNK_ROWS) {
      const to = Math.min(from + CHUNK_ROWS, rows)
      await client.query(insert(from, to - 1))
      onRows(to - from)
    }
  })
}

/** Drops the indexes that are better built at the end; returns the statements that build them, as the migrations defined them. */
async function setAside(databaseUrl: string): Promise<string[]> {
  return await withClient(databaseUrl, async (client) => {
    const rebuild: string[] = []
    for (const name of LATER) {
      const { rows } = await client.query<{ on: string; index: string; key: string | null }>(
        `select i.indrelid::regclass::text as on, pg_get_indexdef(i.indexrelid) as index, pg_get_constraintdef(c.oid) as key
         from pg_index i left join pg_constraint c on c.conindid = i.indexrelid and c.contype = 'p'
         where i.indexrelid = $1::regclass`,
        [name],
      )
      const found = rows[0]
      if (!found) throw new Error(`there is no index ${name}`)
      await client.query(found.key ? `alter table ${found.on} drop constraint ${name}` : `drop index ${name}`)
      // On a partitioned table the definition says ONLY, which would leave the partitions without.
      rebuild.push(
        `set maintenance_work_mem = '512MB'; ${
          found.key
            ? `alter table ${found.on} add constraint ${name} ${found.key}`
            : found.index.replace(' ON ONLY ', ' ON ')
        }`,
      )
    }
    return rebuild
  })
}

/** Housekeeping would have made it a month ago. */
function lastMonthsPartition(now: Date): string {
  const month = (ahead: number) => new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + ahead)).toISOString()
  const name = `audit_events_${month(-1).slice(0, 7).replace('-', '_')}`
  return `create table ${name} partition of audit_events for values from ('${month(-1)}') to ('${month(0)}')`
}

const run = (databaseUrl: string, statement: string) => withClient(databaseUrl, (client) => client.query(statement))

async function withClient<T>(databaseUrl: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: databaseUrl })
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}
