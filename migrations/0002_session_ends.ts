/** Ends of sessions that a replica reads without a clock, and status indexes that are given once and tell nobody how many there are. */
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  // The transaction that ended the session: a reader goes on from the oldest one that was still under way when it last looked, so
  // an end that is committed late is not passed over, whatever any clock says.
  await sql`alter table sessions add column ended_xid xid8`.execute(db)
  await sql`create index sessions_ended_xid on sessions (ended_xid, status_index) where ended_xid is not null`.execute(
    db,
  )
  // Ended by an older version of the gateway, or by hand.
  await sql`
    create index sessions_ended_otherwise on sessions (ended_at) include (status_index)
    where ended_at is not null and ended_xid is null`.execute(db)

  await sql`
    create table status_list_secret (
      one boolean primary key default true check (one),
      seed bigint not null
    )`.execute(db)
  await sql`
    insert into status_list_secret (seed)
    values (('x' || encode(substr(uuid_send(gen_random_uuid()), 1, 4) || substr(uuid_send(gen_random_uuid()), 1, 4), 'hex'))::bit(64)::bigint)`.execute(
    db,
  )

  // The next index of a session. The sequence counts places. "handed_out" is what the caller knows of it: once the database was put
  // back to an earlier state the sequence is behind that, and jumps to a list that no session has been in.
  // Within a list of 2^20 a Feistel network (four rounds, keyed) shuffles the places: the same index never comes twice, and two
  // logins do not tell how many there were in between.
  await sql`
    create function next_status_index(handed_out bigint, seed bigint) returns bigint language plpgsql as $$
    declare
      place bigint := nextval('session_status_index');
      list bigint;
      high bigint;
      low bigint;
    begin
      if place < handed_out then
        perform pg_advisory_xact_lock(hashtextextended('session_status_index', 0));
        place := nextval('session_status_index');
        if place < handed_out then
          perform setval('session_status_index', (((handed_out + 65536) >> 20) + 1) << 20, false);
          place := nextval('session_status_index');
        end if;
      end if;
      if seed is null then
        select s.seed into seed from status_list_secret s;
      end if;
      list := place >> 20;
      high := (place >> 10) & 1023;
      low := place & 1023;
      high := high # (hashint8extended(list << 12 | low, seed) & 1023);
      low := low # (hashint8extended(list << 12 | 1024 | high, seed) & 1023);
      high := high # (hashint8extended(list << 12 | 2048 | low, seed) & 1023);
      low := low # (hashint8extended(list << 12 | 3072 | high, seed) & 1023);
      return (list << 20) | (high << 10) | low;
    end $$`.execute(db)
  // An older version inserts without naming the column.
  await sql`alter table sessions alter column status_index set default next_status_index(0, null)`.execute(db)
  // What was given in order stays in the lists it is in.
  await sql`
    select setval('session_status_index', ((last_value >> 20) + 1) << 20, false)
    from session_status_index where is_called`.execute(db)
}
