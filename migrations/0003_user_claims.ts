/** Claims of a user's own, and the id by which another system knows the user. */
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    alter table users
      add column claims jsonb,
      add column external_id text`.execute(db)
  await sql`create unique index users_external_id on users (external_id) where external_id is not null`.execute(db)
}
