/** A session that was opened from another, by a hand-off ticket, and ends with it. */
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table sessions add column parent_id uuid`.execute(db)
  await sql`create index sessions_parent on sessions (parent_id) where parent_id is not null`.execute(db)
  // Whoever ends a session ends what came from it, in the same transaction: no statement can forget it.
  await sql`
    create function end_child_sessions() returns trigger language plpgsql as $$
    begin
      with ended as (
        update sessions set ended_at = new.ended_at, ended_xid = pg_current_xact_id(), end_reason = 'parent_ended'
        where parent_id = new.id and ended_at is null
        returning id, user_id, appid
      )
      insert into audit_events (at, kind, user_id, session_id, appid, actor, detail)
      select new.ended_at, 'session_ended', user_id, id, appid, 'gateway',
        jsonb_build_object('reason', 'parent_ended', 'parent', new.id)
      from ended;
      return null;
    end $$`.execute(db)
  await sql`
    create trigger sessions_end_children after update of ended_at on sessions for each row
    when (old.ended_at is null and new.ended_at is not null) execute function end_child_sessions()`.execute(db)
}
