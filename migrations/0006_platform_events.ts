/** What platforms tell us until it is done, pictures until they are deleted, and until when addresses of erased users stay. */
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table platform_events (
      id bigint generated always as identity primary key,
      -- SHA-256 of the event: told again, it is the same row.
      digest text not null unique,
      platform text not null,
      appid text not null,
      -- 'user': about a user's own data, done here. 'other': passed on to the stream.
      kind text not null check (kind in ('user', 'other')),
      name text,
      format text not null check (format in ('json', 'xml', 'text')),
      -- As the platform sent it; null once it is done with.
      message text,
      source text not null,
      received_at timestamptz not null default clock_timestamp(),
      attempts integer not null default 0,
      -- When it may be taken up; null once it is done or given up.
      due_at timestamptz default clock_timestamp(),
      done_at timestamptz,
      outcome text,
      error text
    )`.execute(db)
  await sql`create index platform_events_due on platform_events (kind, due_at, id) where due_at is not null`.execute(db)
  await sql`create index platform_events_done on platform_events (done_at) where due_at is null`.execute(db)

  // A picture that a user no longer shows is put here by the change itself, whoever makes it, and leaves when it is deleted.
  await sql`
    create table discarded_pictures (
      url text primary key,
      discarded_at timestamptz not null default clock_timestamp(),
      attempts integer not null default 0,
      due_at timestamptz not null default clock_timestamp() + interval '1 minute'
    )`.execute(db)
  await sql`create index discarded_pictures_due on discarded_pictures (due_at)`.execute(db)
  await sql`
    create function discard_picture() returns trigger language plpgsql as $$
    begin
      if old.avatar is distinct from new.avatar and old.avatar ~ '/avatars/[0-9]{4}/[0-9]{2}/[A-Za-z0-9_-]{22}[.]webp$' then
        insert into discarded_pictures (url) values (old.avatar) on conflict do nothing;
      end if;
      return null;
    end $$`.execute(db)
  // The conditions stand in the function: PostgreSQL refuses to change the type of a column that a trigger's definition names.
  await sql`
    create trigger users_discard_picture after update on users for each row execute function discard_picture()`.execute(
    db,
  )

  // The audit trail stays append only, but for an address, which may be dropped.
  await sql`
    create or replace function refuse_audit_change() returns trigger language plpgsql as $$
    begin
      if new.ip is null and to_jsonb(new) - 'ip' = to_jsonb(old) - 'ip' then
        return new;
      end if;
      raise exception 'the audit trail is append only';
    end $$`.execute(db)
  // Null: no address of this user is kept.
  await sql`alter table users add column addresses_until timestamptz`.execute(db)
  await sql`create index users_addresses_until on users (addresses_until) where addresses_until is not null`.execute(db)
  await sql`
    update users set addresses_until = erased_at + interval '183 days' where status = 'erased' and erased_at is not null`.execute(
    db,
  )
  await sql`insert into housekeeping (job) values ('addresses') on conflict do nothing`.execute(db)
}
