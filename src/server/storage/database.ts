/** One Kysely on PostgreSQL (pg), beside a way to run named, prepared statements on hot paths. */
import { Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { Kysely, PostgresDialect, type PostgresPool } from 'kysely'
import pg from 'pg'
import { GatewayError } from '../errors.ts'
import type { Span } from '../observability/span.ts'
import { createDatabaseClock, type DatabaseClock } from './database-clock.ts'
import { createOutageWatch } from './outage.ts'
import type { Schema } from './schema.ts'
import { clientWith } from './settings.ts'
import {
  afterLostRaces,
  DatabaseUnavailable,
  isDatabaseUnavailable,
  isLockTimeout,
  isLostRace,
  isReadOnly,
  isRefusedSetting,
  isStalePlan,
  isTooManyConnections,
  RowHeld,
} from './sqlstate.ts'

/** A statement that the server prepares once per connection; the name must be unique to the text. */
export type Statement = {
  name: string
  text: string
  /** Runs for several requests at once (batch.ts), each of which has a span of its own for it. */
  shared?: true
}

export type Database = {
  kysely: Kysely<Schema>
  /** Runs a prepared statement and returns its rows. */
  run<Row>(statement: Statement, values: readonly unknown[]): Promise<Row[]>
  /** The database's time. */
  clock: DatabaseClock
  /** Connections of the pool: all, idle, and requests that wait for one. */
  pool(): { total: number; idle: number; waiting: number }
  /** False while the server is known to be away: everything then fails at once. */
  available(): boolean
  /** Set where traces are kept. */
  span: Span | undefined
  close(): Promise<void>
}

/** Of the moment, not of the transaction's start. */
const timeStatement: Statement = {
  name: 'time',
  text: 'select (extract(epoch from clock_timestamp()) * 1000000)::bigint as us',
}

const CONNECT_TIMEOUT_MS = 2000
const QUERY_TIMEOUT_MS = 4000
const PROBE_TIMEOUT_MS = 1000
const CLOSE_TIMEOUT_MS = 3000
/** Of the time limit of a statement, the most that one wait for a lock may take. */
const LOCK_SHARE = 0.4
/** A statement that another one was in the way of is sent again so often. */
const MAX_ATTEMPTS = 8
/** Beyond this many requests waiting for each connection, the next is shed early (B0210). */
const MAX_WAITING_PER_CONNECTION = 100

const INT8 = 20
const DATE = 1082

/** bigint as number (ours stay below 2^53), date as the ISO text it is. */
export const parsers: Record<number, (text: string) => unknown> = { [INT8]: Number, [DATE]: (text) => text }

export type PostgresOptions = {
  url: string
  poolMax: number
  /** Off: the same text is sent without its name, for a transaction pooler that keeps no prepared statements. */
  preparedStatements?: boolean
  onError?: (error: Error) => void
  queryTimeoutMs?: number
  span?: Span | undefined
}

export function createPostgres({
  url,
  poolMax,
  preparedStatements = true,
  onError,
  queryTimeoutMs = QUERY_TIMEOUT_MS,
  span,
}: PostgresOptions): Database {
  /** Every open connection, so that those to a server that went away can be dropped with whatever waits on them. */
  const sockets = new Set<Socket>()
  const settings = { refused: false, lockTimeoutMs: Math.round(queryTimeoutMs * LOCK_SHARE) }
  const pool = new pg.Pool({
    Client: clientWith(settings),
    connectionString: url,
    max: poolMax,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    idleTimeoutMillis: 60_000,
    // Client side, since a frozen server enforces nothing and a transaction pooler refuses startup parameters.
    query_timeout: queryTimeoutMs,
    keepAlive: true,
    application_name: 'auth-gateway',
    stream: () => {
      const socket = new Socket()
      sockets.add(socket)
      return socket.once('close', () => sockets.delete(socket))
    },
    types: {
      getTypeParser: (oid: number, format?: 'text' | 'binary') =>
        parsers[oid] ?? pg.types.getTypeParser(oid, format ?? 'text'),
    },
  })
  pool.on('error', (error) => onError?.(error))
  // While a connection is lent out the pool does not listen to it, and an error nobody hears ends the process; whoever borrowed it
  // learns of the break from the query.
  pool.on('connect', (client) => client.on('error', () => undefined))

  const outage = createOutageWatch({
    probe: () => probePostgres(url),
    isOutage: isDatabaseUnavailable,
    refusal: () => new DatabaseUnavailable('known to be down, not asked again'),
    onAway: dropConnections,
    stallMs: queryTimeoutMs / 4,
  })
  function dropConnections(): void {
    for (const socket of sockets) socket.destroy()
  }
  /** The first connection tells whether a pooler is in between that refuses what the others began with. */
  const connected = <T>(call: () => Promise<T>) =>
    call().catch((error: unknown) => {
      if (!isRefusedSetting(error)) throw error
      settings.refused = true
      return call()
    })
  async function watch<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await outage.watch(() => connected(call))
    } catch (error) {
      if (isLockTimeout(error) && !(error instanceof GatewayError)) throw new RowHeld(error)
      // The primary was switched and this one only reads now: no connection made before is of use, and new ones lead to the new one.
      if (isReadOnly(error)) dropConnections()
      throw isDatabaseUnavailable(error) && !(error instanceof GatewayError) ? new DatabaseUnavailable(error) : error
    }
  }
  function shedIfCrowded(): void {
    if (pool.waitingCount < poolMax * MAX_WAITING_PER_CONNECTION) return
    throw new GatewayError('B0210', { note: 'too many wait for a connection', retryAfterSeconds: 1 })
  }

  const kysely = new Kysely<Schema>({
    dialect: new PostgresDialect({ pool: watchedPool(pool, { watch, shedIfCrowded, span }) }),
  })
  /** How often a table was changed under prepared statements. A pooler knows a statement by its text, so that changes too. */
  let plans = 0
  const prepared = ({ name, text }: Statement) =>
    plans === 0 ? { name, text } : { name: `${name}_${plans}`, text: `${text}\n-- ${plans}` }
  async function run<Row>(statement: Statement, values: readonly unknown[]): Promise<Row[]> {
    const { name, text, shared } = statement
    shedIfCrowded()
    const attempt = () => {
      const plan = plans
      const config = { ...(preparedStatements ? prepared(statement) : { text }), values: [...values] }
      return watch(() => pool.query(config)).catch((error: unknown) => {
        if (isStalePlan(error) && plan === plans) plans += 1
        throw error
      })
    }
    const query = () => again(attempt)
    const { rows } = await (span && !shared ? span(`postgres ${name}`, query) : query())
    return rows
  }

  async function askTime(): Promise<number> {
    const [row] = await run<{ us: number }>(timeStatement, [])
    return row ? row.us / 1000 : Number.NaN
  }

  return {
    kysely,
    run,
    clock: createDatabaseClock({ ask: askTime }),
    pool: () => ({ total: pool.totalCount, idle: pool.idleCount, waiting: pool.waitingCount }),
    available: outage.available,
    span,
    async close() {
      outage.close()
      // A frozen server never says goodbye.
      const timer = setTimeout(dropConnections, CLOSE_TIMEOUT_MS)
      await kysely.destroy().finally(() => clearTimeout(timer))
      // Kysely ends only the pool that it was asked to query; a prepared statement alone opens connections, too.
      if (!pool.ending) await pool.end()
    },
  }
}

/** Sends a statement that is a transaction of its own again while others are in its way. */
async function again<T>(attempt: () => Promise<T>): Promise<T> {
  for (let attempts = 1; ; attempts += 1) {
    try {
      return await attempt()
    } catch (error) {
      if (!(isLostRace(error) || isStalePlan(error)) || attempts === MAX_ATTEMPTS) throw afterLostRaces(error)
      // Those who lost together must not meet again.
      await pause(Math.random() * 2 ** attempts)
    }
  }
}

/** The pool as Kysely sees it: watched, and a connection that broke or timed out is not given to the next. */
function watchedPool(
  pool: pg.Pool,
  parts: { watch<T>(call: () => Promise<T>): Promise<T>; shedIfCrowded: () => void; span: Span | undefined },
): PostgresPool {
  const { watch, shedIfCrowded, span } = parts
  return {
    async connect() {
      shedIfCrowded()
      const client = await watch(() => pool.connect())
      let broken = false
      let inTransaction = false
      const query = async (text: string, values: readonly unknown[]) => {
        if (/^(begin|start transaction)\b/.test(text)) inTransaction = true
        else if (/^(commit|rollback)\b/.test(text)) inTransaction = false
        try {
          const send = () => watch(() => client.query(text, [...values]))
          const run = inTransaction ? send : () => again(send)
          return await (span ? span('postgres query', run) : run())
        } catch (error) {
          broken ||= isDatabaseUnavailable(error)
          throw error
        }
      }
      // Nothing here streams by cursor, which is the other form of query().
      const watched = { query, release: (discard?: boolean) => client.release(discard || broken) }
      return watched as unknown as Awaited<ReturnType<PostgresPool['connect']>>
    },
    end: () => pool.end(),
    options: pool.options,
  }
}

/** Asks the server, on a connection of its own, whether it takes writes. That it has too many connections is an answer, too. */
async function probePostgres(url: string): Promise<void> {
  const socket = new Socket()
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: PROBE_TIMEOUT_MS,
    query_timeout: PROBE_TIMEOUT_MS,
    stream: () => socket,
  })
  client.on('error', () => undefined)
  try {
    await client.connect()
    const { rows } = await client.query<{ transaction_read_only: string }>('show transaction_read_only')
    if (rows[0]?.transaction_read_only === 'on')
      throw new Error('PostgreSQL only reads: a replica, or a demoted primary')
  } catch (error) {
    if (!isTooManyConnections(error)) throw error
  } finally {
    socket.destroy()
  }
}
