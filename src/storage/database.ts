/** One Kysely on PostgreSQL (pg) or on the embedded PGlite, beside a way to run named, prepared statements on hot paths. */
import type { PGlite } from '@electric-sql/pglite'
import { Kysely, PGliteDialect, PostgresDialect } from 'kysely'
import pg from 'pg'
import type { Schema } from './schema.ts'

/** A statement that the server prepares once per connection; the name must be unique to the text. */
export type Statement = { name: string; text: string }

export type Database = {
  kysely: Kysely<Schema>
  /** Runs a prepared statement and returns its rows. */
  run<Row>(statement: Statement, values: readonly unknown[]): Promise<Row[]>
  /** Connections of the pool: all, idle, and requests that wait for one. */
  pool(): { total: number; idle: number; waiting: number }
  close(): Promise<void>
}

const CONNECT_TIMEOUT_MS = 2000
const QUERY_TIMEOUT_MS = 4000

const INT8 = 20
const DATE = 1082

/** bigint as number (ours stay below 2^53), date as the ISO text it is. */
const parsers: Record<number, (text: string) => unknown> = { [INT8]: Number, [DATE]: (text) => text }

export type PostgresOptions = {
  url: string
  poolMax: number
  onError?: (error: Error) => void
  queryTimeoutMs?: number
}

export function createPostgres({
  url,
  poolMax,
  onError,
  queryTimeoutMs = QUERY_TIMEOUT_MS,
}: PostgresOptions): Database {
  const pool = new pg.Pool({
    connectionString: url,
    max: poolMax,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    idleTimeoutMillis: 60_000,
    // Client side, since a frozen server enforces nothing and a transaction pooler refuses startup parameters.
    query_timeout: queryTimeoutMs,
    keepAlive: true,
    application_name: 'auth-gateway',
    types: {
      getTypeParser: (oid: number, format?: 'text' | 'binary') =>
        parsers[oid] ?? pg.types.getTypeParser(oid, format ?? 'text'),
    },
  })
  pool.on('error', (error) => onError?.(error))
  const kysely = new Kysely<Schema>({ dialect: new PostgresDialect({ pool }) })
  return {
    kysely,
    run: async <Row>({ name, text }: Statement, values: readonly unknown[]) =>
      (await pool.query({ name, text, values: [...values] })).rows as Row[],
    pool: () => ({ total: pool.totalCount, idle: pool.idleCount, waiting: pool.waitingCount }),
    close: () => kysely.destroy(),
  }
}

/** The embedded PostgreSQL of development and of fast tests; `directory` undefined keeps it in memory. */
export async function createPglite(
  source: { directory?: string; loadDataDir?: Blob } = {},
): Promise<Database & { pglite: PGlite }> {
  const { PGlite } = await import('@electric-sql/pglite')
  const pglite = await PGlite.create({
    ...(source.directory === undefined ? {} : { dataDir: source.directory }),
    ...(source.loadDataDir === undefined ? {} : { loadDataDir: source.loadDataDir }),
    parsers,
  })
  const kysely = new Kysely<Schema>({ dialect: new PGliteDialect({ pglite }) })
  return {
    pglite,
    kysely,
    run: async <Row>({ text }: Statement, values: readonly unknown[]) =>
      (await pglite.query<Row>(text, [...values])).rows,
    pool: () => ({ total: 1, idle: 1, waiting: 0 }),
    close: () => kysely.destroy(),
  }
}

/** SQLSTATE classes that mean "the server cannot serve now": connection, resources, operator intervention. */
const unavailableStates = /^(08|53|57)/
const unavailableErrors = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ETIMEDOUT',
  'EPIPE',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
])
const unavailableMessages =
  /timeout exceeded when trying to connect|Connection terminated|Query read timeout|Client has encountered a connection error|cannot use a pool after/i

/** Whether an error means that PostgreSQL is down, frozen or switching over, rather than a defect of ours. */
export function isDatabaseUnavailable(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  // 25006: a read-only replica that took the primary's place, or a primary that was demoted.
  if (unavailableErrors.has(code) || unavailableStates.test(code) || code === '25006') return true
  if (error instanceof AggregateError) return error.errors.some(isDatabaseUnavailable)
  return unavailableMessages.test(error.message)
}
