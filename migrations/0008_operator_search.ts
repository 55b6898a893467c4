/** Why and by whom a user is suspended, and the indexes by which operators search. */
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  // Without a default: no row is rewritten, and an older version inserts without naming them.
  await sql`
    alter table users
      add column suspend_reason text,
      add column suspended_by text`.execute(db)
}

/**
 * Built after the schema is there, beside a gateway that serves: CREATE INDEX CONCURRENTLY, which no transaction may hold. A login
 * writes to two of them at most: to the one by address, and where a unionid is new.
 */
export const indexes = [
  { name: 'users_not_active', table: 'users', on: "(status, id) where status <> 'active'" },
  { name: 'platform_identities_unionid', table: 'platform_identities', on: '(unionid) where unionid is not null' },
  // What people do themselves is not in it.
  { name: 'audit_events_actor', table: 'audit_events', on: "(actor, at) where actor <> 'user'" },
  {
    name: 'audit_events_kind',
    table: 'audit_events',
    on: "(kind, at) where kind not in ('login', 'session_ended')",
  },
  { name: 'audit_events_ip', table: 'audit_events', on: '(ip, at) where ip is not null' },
]
