/** What services are told: events written by the change they tell of, their way to each target, and erasures until all is done. */
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  // A row for each entry of EVENT_TARGETS, renewed by every running gateway. Without one that is fresh no event is written.
  await sql`
    create table event_targets (
      id text primary key,
      pushed boolean not null,
      acknowledges_erasure boolean not null,
      -- Null: all of them.
      kinds text[],
      -- Failed attempts since the last that succeeded, and until when nobody tries because of them.
      failures integer not null default 0,
      paused_until timestamptz not null default 'epoch',
      seen_at timestamptz not null default clock_timestamp()
    )`.execute(db)
  await sql`
    create table events (
      -- Of two changes of one row, or two of which the second saw the first, the later has the higher number.
      seq bigint generated always as identity primary key,
      id uuid not null unique default gen_random_uuid(),
      kind text not null,
      user_id uuid not null,
      session_id uuid,
      -- Names of fields, a reason, the id of an erasure: nothing personal.
      detail jsonb not null default '{}',
      txn uuid not null,
      at timestamptz not null default clock_timestamp()
    )`.execute(db)
  await sql`create index events_at on events (at)`.execute(db)
  await sql`
    create table event_deliveries (
      target text not null,
      seq bigint not null,
      user_id uuid not null,
      state text not null default 'pending' check (state in ('pending', 'delivered', 'dead')),
      attempts integer not null default 0,
      -- When it may be tried; while somebody tries, the end of their lease.
      due_at timestamptz not null default clock_timestamp(),
      last_error text,
      settled_at timestamptz,
      primary key (target, seq)
    ) with (fillfactor = 85)`.execute(db)
  await sql`create index event_deliveries_pending on event_deliveries (target, seq) where state = 'pending'`.execute(db)
  await sql`create index event_deliveries_user on event_deliveries (target, user_id, seq) where state = 'pending'`.execute(
    db,
  )
  await sql`create index event_deliveries_seq on event_deliveries (seq)`.execute(db)
  await sql`create index event_deliveries_dead on event_deliveries (target, seq) where state = 'dead'`.execute(db)

  await sql`
    create table erasures (
      -- The receipt: whoever holds it may ask.
      id uuid primary key default gen_random_uuid(),
      user_id uuid not null,
      at timestamptz not null default clock_timestamp(),
      -- The address of the picture, until it is deleted.
      picture text,
      picture_deleted_at timestamptz
    )`.execute(db)
  await sql`create index erasures_user on erasures (user_id)`.execute(db)
  await sql`create index erasures_picture on erasures (picture) where picture is not null`.execute(db)
  await sql`
    create table erasure_confirmations (
      erasure_id uuid not null references erasures (id) on delete cascade,
      target text not null,
      confirmed_at timestamptz,
      primary key (erasure_id, target)
    )`.execute(db)
  await sql`create index erasure_confirmations_open on erasure_confirmations (target) where confirmed_at is null`.execute(
    db,
  )

  // Triggers, so that no statement can forget it: login's one, housekeeping, the trigger that ends children, a hand with psql.
  await sql`
    create function tell_services(event_kind text, about_user uuid, about_session uuid, event_detail jsonb) returns void
    language plpgsql as $$
    declare
      number bigint;
    begin
      if not exists (select from event_targets where seen_at > clock_timestamp() - interval '1 day') then
        return;
      end if;
      insert into events (kind, user_id, session_id, detail, txn)
      values (event_kind, about_user, about_session, event_detail,
        md5(pg_current_xact_id()::text || about_user::text)::uuid)
      returning seq into number;
      insert into event_deliveries (target, seq, user_id)
      select t.id, number, about_user from event_targets t
      where t.seen_at > clock_timestamp() - interval '1 day' and (t.kinds is null or event_kind = any (t.kinds));
    end $$`.execute(db)
  await sql`
    create function tell_of_user() returns trigger language plpgsql as $$
    declare
      erasure uuid;
      fields text[];
    begin
      if tg_op = 'INSERT' then
        perform tell_services('user.created', new.id, null, '{}');
        return null;
      end if;
      if (old.status, old.nickname, old.avatar, old.email, old.phone, old.birthday, old.sex, old.address, old.signature, old.roles,
          old.claims, old.external_id)
        is not distinct from (new.status, new.nickname, new.avatar, new.email, new.phone, new.birthday, new.sex, new.address,
          new.signature, new.roles, new.claims, new.external_id) then
        return null;
      end if;
      if new.status = 'erased' and old.status <> 'erased' then
        -- The trigger users_discard_picture came before: what it left to be deleted is ours.
        insert into erasures (user_id, picture)
        values (new.id, (select url from discarded_pictures where url = old.avatar)) returning id into erasure;
        insert into erasure_confirmations (erasure_id, target)
        select erasure, t.id from event_targets t
        where t.acknowledges_erasure and t.seen_at > clock_timestamp() - interval '1 day';
        perform tell_services('user.erased', new.id, null, jsonb_build_object('erasure_id', erasure));
        return null;
      end if;
      if new.status <> old.status then
        perform tell_services(case new.status when 'suspended' then 'user.suspended' else 'user.reinstated' end,
          new.id, null, '{}');
      end if;
      fields := array_remove(array[
        case when new.nickname is distinct from old.nickname then 'nickname' end,
        case when new.avatar is distinct from old.avatar then 'avatar' end,
        case when new.email is distinct from old.email then 'email' end,
        case when new.phone is distinct from old.phone then 'phone' end,
        case when new.birthday is distinct from old.birthday then 'birthday' end,
        case when new.sex is distinct from old.sex then 'sex' end,
        case when new.address is distinct from old.address then 'address' end,
        case when new.signature is distinct from old.signature then 'signature' end,
        case when new.roles is distinct from old.roles then 'roles' end,
        case when new.claims is distinct from old.claims then 'claims' end,
        case when new.external_id is distinct from old.external_id then 'external_id' end], null);
      if cardinality(fields) > 0 then
        perform tell_services('user.updated', new.id, null, jsonb_build_object('fields', fields));
      end if;
      return null;
    end $$`.execute(db)
  await sql`
    create trigger users_tell_of_new after insert on users for each row execute function tell_of_user()`.execute(db)
  // No column is named here, since that would forbid to change its type; a login that changes last_login_at alone returns at once.
  await sql`
    create trigger users_tell_of_change after update on users for each row execute function tell_of_user()`.execute(db)
  await sql`
    create function tell_of_session() returns trigger language plpgsql as $$
    begin
      perform tell_services('session.ended', new.user_id, new.id, jsonb_build_object('reason', new.end_reason));
      return null;
    end $$`.execute(db)
  await sql`
    create trigger sessions_tell_of_end after update of ended_at on sessions for each row
    when (old.ended_at is null and new.ended_at is not null) execute function tell_of_session()`.execute(db)
  await sql`
    create function note_deleted_picture() returns trigger language plpgsql as $$
    begin
      update erasures set picture = null, picture_deleted_at = clock_timestamp() where picture = old.url;
      return null;
    end $$`.execute(db)
  await sql`
    create trigger discarded_pictures_deleted after delete on discarded_pictures for each row
    execute function note_deleted_picture()`.execute(db)
}
