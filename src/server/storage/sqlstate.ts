/** What PostgreSQL's error codes mean to the gateway (postgresql.org/docs/current/errcodes-appendix.html); nothing else spells them. */
import { GatewayError } from '../errors.ts'

export const sqlstateOf = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''

/** Another row has that value of a unique column. */
export const isUniqueViolation = (error: unknown): boolean => sqlstateOf(error) === '23505'

/** PostgreSQL failed this transaction because of another one (a deadlock, a stricter isolation level): it may be started over. */
export const isLostRace = (error: unknown): boolean => ['40P01', '40001'].includes(sqlstateOf(error))

/** Somebody held a lock for longer than this statement may wait for it. */
export const isLockTimeout = (error: unknown): boolean => error instanceof RowHeld || sqlstateOf(error) === '55P03'

/**
 * A table was changed since this connection prepared the statement. Told by the routine of the server that says so: its words are in
 * the language that `lc_messages` chooses.
 */
export const isStalePlan = (error: unknown): boolean =>
  sqlstateOf(error) === '0A000' &&
  error instanceof Error &&
  'routine' in error &&
  error.routine === 'RevalidateCachedQuery'

/** What the caller is told once starting over has not helped: others were in the way, which is no defect and passes. */
export const afterLostRaces = (error: unknown): unknown => (isLostRace(error) ? new RowHeld(error) : error)

/** A transaction pooler takes few of the settings that a connection may begin with. */
export const isRefusedSetting = (error: unknown): boolean =>
  error instanceof Error && /startup parameter|not support the option/i.test(error.message)

/** The server is there, and has no connection left. */
export const isTooManyConnections = (error: unknown): boolean => sqlstateOf(error) === '53300'

/** From a replica that took the primary's place, or a primary that was demoted. */
export const isReadOnly = (error: unknown): boolean => sqlstateOf(error) === '25006'

/** Before the first migration. */
const isUndefinedTable = (error: unknown): boolean => sqlstateOf(error) === '42P01'

/** Classes that mean "the server cannot serve now": connection, resources, operator intervention; and a transaction cut off by its time limit. */
const unavailableStates = /^(08|53|57|25P0[34])/
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

/** PostgreSQL is down, frozen, switching over or without its schema: what every call says then, whatever the driver said. */
export class DatabaseUnavailable extends GatewayError {
  constructor(cause: unknown) {
    const said = cause instanceof Error ? cause.message || sqlstateOf(cause) || cause.name : String(cause)
    super('B0320', { cause, note: `PostgreSQL is unavailable: ${said}`, retryAfterSeconds: 2 })
    this.name = 'DatabaseUnavailable'
  }
}

/** Another transaction holds the row, and did not let go in time. That is no outage: only who needs this row is told. */
export class RowHeld extends GatewayError {
  constructor(cause?: unknown) {
    super('B0320', { cause, note: 'another transaction holds a row that this needs', retryAfterSeconds: 1 })
    this.name = 'RowHeld'
  }
}

/** Whether an error means that PostgreSQL is unavailable, rather than a defect of ours. */
export function isDatabaseUnavailable(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  if (error instanceof DatabaseUnavailable) return true
  const code = sqlstateOf(error)
  if (unavailableErrors.has(code) || unavailableStates.test(code)) return true
  if (isReadOnly(error) || isUndefinedTable(error)) return true
  if (error instanceof AggregateError) return error.errors.some(isDatabaseUnavailable)
  return unavailableMessages.test(error.message)
}
