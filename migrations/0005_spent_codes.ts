/** Repairs what a code from before an erasure did: an identity that was given back to an erased user locks its person out. */
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    delete from platform_identities p using users u where u.id = p.user_id and u.status = 'erased'`.execute(db)
  await sql`delete from union_members m using users u where u.id = m.user_id and u.status = 'erased'`.execute(db)
}
