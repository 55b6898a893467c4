/** What PostgreSQL's error codes mean to the gateway (postgresql.org/docs/current/errcodes-appendix.html); nothing else spells them. */
import { GatewayError } from '../errors.ts'

export const sqlstateOf = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''

/** Another row has that value of a unique column. */
export const isUniqueViolation = (error: unknown): boolean => sqlstateOf(error) === '23505'

/** PostgreSQL broke a deadlock by failing this transaction: it may be started over. */
export const isDeadlock = (error: unknown): boolean => sqlstateOf(error) === '40P01'

/** Somebody held a lock for longer than this statement may wait for it. */
export const isLockTimeout = (error: unknown): boolean => sqlstateOf(error) === '55P03'

/** The server is there, and has no connection left. */
export const isTooManyConnections = (error: unknown): boolean => sqlstateOf(error) === '53300'

/** From a replica that took the primary's place, or a primary that was demoted. */
export const isReadOnly = (error: unknown): boolean => sqlstateOf(error) === '25006'

/** Before the first migration. */
const isUndefinedTable = (error: unknown): boolean => sqlstateOf(error) === '42P01'

/** Classes that mean "the server cannot serve now": connection, resources, operator intervention. */
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

/** PostgreSQL is down, frozen, switching over or without its schema: what every call says then, whatever the driver said. */
export class DatabaseUnavailable extends GatewayError {
  constructor(cause: unknown) {
    const said = cause instanceof Error ? cause.message || sqlstateOf(cause) || cause.name : String(cause)
    super('B0320', { cause, note: `PostgreSQL is unavailable: ${said}`, retryAfterSeconds: 2 })
    this.name = 'DatabaseUnavailable'
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
