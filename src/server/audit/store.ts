/** Rows of the audit trail: written alone, in the transaction of a change, or by the statement that makes the change. */
import { type Insertable, type Kysely, type RawBuilder, sql } from 'kysely'
import type { Actor } from '../actor.ts'
import type { AuditEventsTable, Schema } from '../storage/schema.ts'

export const auditKinds = [
  'login',
  'login_refused',
  'login_replayed',
  'refresh_replayed',
  'refresh_repeated',
  'session_ended',
  'unionid_conflict',
  'profile_changed',
  'user_suspended',
  'user_reinstated',
  'user_erased',
  'roles_changed',
  'key_rotated',
  'key_retired',
  'session_key_reset',
  'keys_resealed',
  'claims_changed',
  'external_id_changed',
  'user_state_signed',
  'credential_renewed',
  'phone_moved',
  'service_token_refused',
  'open_data_read',
  'user_read',
  'users_searched',
  'profile_cleaned',
  'authorization_revoked',
  'authorization_cancelled',
  'events_replayed',
  'delivery_retried',
  'operator_signed_in',
  'operator_refused',
] as const
export type AuditKind = (typeof auditKinds)[number]

export type AuditRow = Insertable<AuditEventsTable> & { kind: AuditKind }

type Subject = Pick<AuditRow, 'user_id' | 'session_id' | 'appid'>

export type AuditEvent = {
  kind: AuditKind
  at: Date
  actor: Actor
  detail?: Record<string, unknown>
} & Partial<Subject>

/** In the order in which every statement writes them. */
const columnTypes = {
  at: 'timestamptz',
  kind: 'text',
  user_id: 'uuid',
  session_id: 'uuid',
  appid: 'text',
  ip: 'text',
  actor: 'text',
  request_id: 'text',
  detail: 'jsonb',
} as const satisfies Partial<Record<keyof AuditRow, string>>
type Column = keyof typeof columnTypes
const columns = Object.entries(columnTypes) as [Column, string][]
const insertInto = `insert into audit_events (${Object.keys(columnTypes).join(', ')})`

export const toRow = ({ kind, at, actor, detail, ...subject }: AuditEvent) =>
  ({
    at,
    kind,
    user_id: subject.user_id ?? null,
    session_id: subject.session_id ?? null,
    appid: subject.appid ?? null,
    ip: actor.ip ?? null,
    actor: actor.name,
    request_id: actor.requestId ?? null,
    detail: detail === undefined ? null : JSON.stringify(detail),
  }) satisfies AuditRow

export async function insertAuditRows(db: Kysely<Schema>, rows: readonly AuditRow[]): Promise<void> {
  if (rows.length > 0) await db.insertInto('audit_events').values(rows).execute()
}

/** Writes events in another's transaction, together with the change that they record. */
export const writeAudit = (db: Kysely<Schema>, ...events: AuditEvent[]): Promise<void> =>
  insertAuditRows(db, events.map(toRow))

/** A common table expression that audits each row of `from`, with these columns of it as the event's subject and detail. */
export function auditRows(
  from: string,
  event: AuditEvent,
  refs: Partial<Record<keyof Subject | 'detail', string>>,
): RawBuilder<Record<string, unknown>> {
  const row = toRow(event)
  const byColumn: Partial<Record<Column, string>> = refs
  const values = columns.map(([column, type]) => {
    const ref = byColumn[column]
    return sql`${ref === undefined ? row[column] : sql.ref(ref)}::${sql.raw(type)}`
  })
  return sql`(${sql.raw(insertInto)} select ${sql.join(values)} from ${sql.table(from)})`
}

/** Of each row of `from`, which is SQL as the values are; what is left out is null. */
type AuditSource = { from: string; kind: AuditKind } & Partial<Record<Exclude<Column, 'kind'>, string>>

/** The same for a statement that is written as text. */
export function auditRowsText(...sources: AuditSource[]): string {
  const selects = sources.map(({ from, kind, ...values }) => {
    const row: Partial<Record<Column, string>> = { ...values, kind: `'${kind}'` }
    return `select ${columns.map(([column, type]) => `${row[column] ?? 'null'}::${type}`).join(', ')} from ${from}`
  })
  return `${insertInto} ${selects.join(' union all ')}`
}
