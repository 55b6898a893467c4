/** Sessions that the database ended with their parent wait here until a gateway has told of them: no replica was there when it happened. */
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table child_ends (
      session_id uuid primary key,
      user_id uuid not null,
      status_index bigint not null,
      appid text not null,
      ended_at timestamptz not null
    )`.execute(db)
  await sql`
    create or replace function end_child_sessions() returns trigger language plpgsql as $$
    begin
      with ended as (
        update sessions set ended_at = new.ended_at, ended_xid = pg_current_xact_id(), end_reason = 'parent_ended'
        where parent_id = new.id and ended_at is null
        returning id, user_id, appid, status_index
      ),
      audited as (
        insert into audit_events (at, kind, user_id, session_id, appid, actor, detail)
        select new.ended_at, 'session_ended', user_id, id, appid, 'gateway',
          jsonb_build_object('reason', 'parent_ended', 'parent', new.id)
        from ended
      )
      insert into child_ends (session_id, user_id, status_index, appid, ended_at)
      select id, user_id, status_index, appid, new.ended_at from ended
      -- A session that a hand with psql opened again may end twice before it is told.
      on conflict (session_id) do nothing;
      return null;
    end $$`.execute(db)
}
