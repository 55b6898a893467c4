/** Users, their platform identities, their sessions, the signing keys and the audit trail. */
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table users (
      id uuid primary key,
      status text not null default 'active' check (status in ('active', 'suspended', 'erased')),
      nickname text,
      avatar text,
      email text,
      phone text,
      -- The phone again when one phone may belong to one user only: null values never collide.
      exclusive_phone text unique,
      birthday date,
      sex text check (sex in ('male', 'female')),
      address text,
      signature text,
      -- Profile fields the user set here; what a login brings along never overwrites them.
      chosen_fields text[] not null default '{}',
      roles text[] not null default '{}',
      -- Counts changes of the profile: the ETag.
      version integer not null default 1,
      -- The session that came with the account: tells a first login from a later one, on a replay too.
      first_session_id uuid not null,
      created_at timestamptz not null,
      updated_at timestamptz not null,
      last_login_at timestamptz not null,
      suspended_at timestamptz,
      erased_at timestamptz
    ) with (fillfactor = 85)`.execute(db)
  await sql`create index users_phone on users (phone) where phone is not null`.execute(db)
  await sql`create index users_nickname on users (lower(nickname) text_pattern_ops) where nickname is not null`.execute(
    db,
  )

  await sql`
    create table platform_identities (
      platform text not null,
      appid text not null,
      openid text not null,
      user_id uuid not null references users (id),
      unionid text,
      created_at timestamptz not null,
      primary key (platform, appid, openid)
    )`.execute(db)
  await sql`create index platform_identities_user on platform_identities (user_id)`.execute(db)
  await sql`create index platform_identities_openid on platform_identities (openid)`.execute(db)

  await sql`
    create table union_members (
      union_name text not null,
      unionid text not null,
      user_id uuid not null references users (id),
      primary key (union_name, unionid)
    )`.execute(db)
  await sql`create index union_members_user on union_members (user_id)`.execute(db)

  await sql`create sequence session_status_index minvalue 0 start 0`.execute(db)
  await sql`
    create table sessions (
      id uuid primary key,
      -- No foreign key: a session is inserted by the statement that holds its user's row lock, and users are never deleted.
      user_id uuid not null,
      platform text not null,
      appid text not null,
      openid text not null,
      unionid text,
      device text,
      ip text,
      -- Position in the status lists: list = index / 2^20, bit = index % 2^20.
      status_index bigint not null default nextval('session_status_index'),
      refresh_counter integer not null default 0,
      created_at timestamptz not null,
      refreshed_at timestamptz not null,
      last_used_at timestamptz not null,
      idle_expires_at timestamptz not null,
      expires_at timestamptz not null,
      ended_at timestamptz,
      end_reason text
    ) with (fillfactor = 80)`.execute(db)
  await sql`create index sessions_live_by_user on sessions (user_id) where ended_at is null`.execute(db)
  await sql`create index sessions_ended on sessions (ended_at) include (status_index) where ended_at is not null`.execute(
    db,
  )

  await sql`
    create table signing_keys (
      kid text primary key,
      -- One row per number: of several replicas that add the next key, one wins.
      generation integer not null unique,
      alg text not null,
      public_jwk jsonb not null,
      sealed_private_jwk text not null,
      published_at timestamptz not null,
      activates_at timestamptz not null,
      retired_at timestamptz
    )`.execute(db)

  await sql`
    create table audit_events (
      id bigint generated always as identity,
      at timestamptz not null,
      kind text not null,
      user_id uuid,
      session_id uuid,
      appid text,
      ip text,
      actor text,
      request_id text,
      detail jsonb,
      primary key (at, id)
    ) partition by range (at)`.execute(db)
  await sql`create index audit_events_user on audit_events (user_id, at) where user_id is not null`.execute(db)
  // Months ahead are added by housekeeping; the default is there for when it could not, and else stays empty.
  await sql`create table audit_events_default partition of audit_events default`.execute(db)
  const now = new Date()
  const firstOfMonth = (ahead: number) => new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + ahead))
  for (const ahead of [0, 1]) {
    const from = firstOfMonth(ahead)
    const name = `audit_events_${from.toISOString().slice(0, 7).replace('-', '_')}`
    await sql`create table ${sql.table(name)} partition of audit_events
      for values from (${sql.lit(from.toISOString())}) to (${sql.lit(firstOfMonth(ahead + 1).toISOString())})`.execute(
      db,
    )
  }

  // A row for each job of housekeeping: its lock, its pace, and how far it has come, whichever replica does the work.
  await sql`
    create table housekeeping (
      job text primary key,
      cursor uuid,
      done_at timestamptz not null default 'epoch'
    )`.execute(db)
  await sql`insert into housekeeping (job) values ('sessions'), ('audit')`.execute(db)
}
