/** Rows of the audit trail; changes elsewhere insert theirs in their own statement or transaction. */
import type { Insertable, Kysely } from 'kysely'
import type { AuditEventsTable, Schema } from '../storage/schema.ts'

export const auditKinds = [
  'login',
  'login_refused',
  'refresh_replayed',
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
] as const
export type AuditKind = (typeof auditKinds)[number]

export type AuditRow = Insertable<AuditEventsTable> & { kind: AuditKind }

export async function insertAuditRows(db: Kysely<Schema>, rows: readonly AuditRow[]): Promise<void> {
  if (rows.length > 0) await db.insertInto('audit_events').values(rows).execute()
}
