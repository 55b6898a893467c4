/** Events and their deliveries in PostgreSQL, which alone says what is due and who has the lease; every time is the database's. */
import type { EventKind, EventTarget } from '../config/event-targets.ts'
import type { Database, Statement } from '../storage/database.ts'

/** An event as it is signed for a target. */
export type StoredEvent = {
  seq: number
  id: string
  kind: EventKind
  userId: string
  sessionId: string | null
  detail: { fields?: string[]; reason?: string; erasure_id?: string }
  txn: string
  /** Seconds since 1970. */
  at: number
}

/** `attempt` is the lease: whoever came later has a higher one. */
export type ClaimedEvent = StoredEvent & { attempt: number }

export type Failure = {
  seq: number
  attempt: number
  error: string
  /** How long this event rests; the target's own rest is counted in the database. */
  waitSeconds: number
  /** The target said that it can never take it. */
  refused: boolean
}

/** A target that failed this often in a row gets one event at a time, and rests between them. */
const FAILING_AFTER = 3
const MAX_REST_SECONDS = 30
/** What nobody took for so long is a dead letter. */
const GIVE_UP_DAYS = 7

const eventColumns = `e.seq, e.id, e.kind, e.user_id as "userId", e.session_id as "sessionId", e.detail, e.txn,
  extract(epoch from e.at)::float8 as at`

/** The first of each user: the next is not due before that one is settled, whoever is at it. */
const heads = (limit: string, where: string) => `
  select d.seq from event_deliveries d
  where d.target = $1 and d.state = 'pending' ${where}
    and not exists (select from event_deliveries b
      where b.target = d.target and b.user_id = d.user_id and b.state = 'pending' and b.seq < d.seq)
  order by d.seq limit ${limit}`

const claimStatement: Statement = {
  name: 'claim_deliveries',
  text: `
    with target as materialized (
      select failures >= ${FAILING_AFTER} as failing from event_targets where id = $1 and paused_until <= clock_timestamp()
    ),
    head as materialized (
      ${heads(
        '(select case when failing then 1 else $2::int end from target)',
        'and d.due_at <= clock_timestamp() and exists (select from target)',
      )} for update of d skip locked
    ),
    claimed as (
      update event_deliveries d set due_at = clock_timestamp() + make_interval(secs => $3::int), attempts = d.attempts + 1
      from head where d.target = $1 and d.seq = head.seq
      returning d.seq, d.attempts
    )
    select ${eventColumns}, c.attempts as attempt from claimed c join events e on e.seq = c.seq order by e.seq`,
}

const deliveredStatement: Statement = {
  name: 'mark_delivered',
  text: `
    with marked as (
      update event_deliveries set state = 'delivered', settled_at = clock_timestamp(), last_error = null
      where target = $1 and seq = any ($2::bigint[]) and state = 'pending'
    ),
    confirmed as (
      update erasure_confirmations c set confirmed_at = clock_timestamp() from events e
      where e.seq = any ($3::bigint[]) and e.kind = 'user.erased' and c.erasure_id = (e.detail ->> 'erasure_id')::uuid
        and c.target = $1 and c.confirmed_at is null
    )
    update event_targets set failures = 0, paused_until = 'epoch' where id = $1 and failures > 0`,
}

const failedStatement: Statement = {
  name: 'mark_failed',
  text: `
    with marked as (
      update event_deliveries d set
        state = case when $6::boolean or e.at < clock_timestamp() - interval '${GIVE_UP_DAYS} days' then 'dead' else 'pending' end,
        settled_at = case when $6::boolean or e.at < clock_timestamp() - interval '${GIVE_UP_DAYS} days' then clock_timestamp() end,
        due_at = clock_timestamp() + make_interval(secs => $4::float8), last_error = $5
      from events e
      where d.target = $1 and d.seq = $2::bigint and d.attempts = $3::int and d.state = 'pending' and e.seq = d.seq
      returning d.state
    ),
    rested as (
      update event_targets set failures = failures + 1,
        paused_until = case when failures + 1 >= ${FAILING_AFTER} then clock_timestamp() + make_interval(secs =>
          least(${MAX_REST_SECONDS}, power(2, least(failures, 20) - ${FAILING_AFTER - 1})) * (0.5 + random() / 2)) else paused_until end
      where id = $1 and not $6::boolean
    )
    select state from marked`,
}

/** The attempt was none: nothing was sent. */
const releaseStatement: Statement = {
  name: 'release_delivery',
  text: `
    update event_deliveries set due_at = clock_timestamp() + make_interval(secs => $4::float8), attempts = attempts - 1
    where target = $1 and seq = $2::bigint and attempts = $3::int and state = 'pending'`,
}

const dueStatement: Statement = {
  name: 'targets_with_due_events',
  text: `
    select t.id from event_targets t
    where t.id = any ($1::text[]) and t.paused_until <= clock_timestamp() and exists (
      select from event_deliveries d where d.target = t.id and d.state = 'pending' and d.due_at <= clock_timestamp())`,
}

const registerStatement: Statement = {
  name: 'register_event_targets',
  text: `
    insert into event_targets (id, pushed, acknowledges_erasure, kinds, seen_at)
    select id, pushed, acknowledges, kinds, clock_timestamp()
    from json_to_recordset($1::text::json) as (id text, pushed boolean, acknowledges boolean, kinds text[])
    on conflict (id) do update set pushed = excluded.pushed, acknowledges_erasure = excluded.acknowledges_erasure,
      kinds = excluded.kinds, seen_at = excluded.seen_at`,
}

const pendingStatement: Statement = {
  name: 'pending_for_poll',
  text: `
    with head as materialized (${heads('$2::int', '')})
    select ${eventColumns} from head join events e on e.seq = head.seq order by e.seq`,
}

const acknowledgeStatement: Statement = {
  name: 'acknowledge_polled',
  text: `
    update event_deliveries d set state = case when i.error is null then 'delivered' else 'dead' end,
      settled_at = clock_timestamp(), last_error = i.error, attempts = d.attempts + 1
    from unnest($2::uuid[], $3::text[]) as i (id, error) join events e on e.id = i.id
    where d.target = $1 and d.seq = e.seq and d.state = 'pending'`,
}

const removeStatement: Statement = {
  name: 'delete_old_events',
  text: `
    with old as materialized (
      select seq from events where at < clock_timestamp() - make_interval(days => $1::int) order by at limit $2::int
      for update skip locked
    ),
    gone as (delete from event_deliveries where seq in (select seq from old) returning state),
    removed as (delete from events where seq in (select seq from old))
    select (select count(*)::int from old) as events, (select count(*)::int from gone where state <> 'delivered') as lost`,
}

export type DeliveryStore = ReturnType<typeof createDeliveryStore>

export function createDeliveryStore({ run }: Pick<Database, 'run'>) {
  return {
    /** Says that these targets are there; whoever is not said for a day gets no events any more. */
    async register(targets: readonly EventTarget[]): Promise<void> {
      const rows = targets.map(({ id, url, acknowledges, events }) => ({
        id,
        pushed: url !== undefined,
        acknowledges: acknowledges.includes('erasure'),
        kinds: events ?? null,
      }))
      await run(registerStatement, [JSON.stringify(rows)])
    },

    async dueTargets(ids: readonly string[]): Promise<string[]> {
      return (await run<{ id: string }>(dueStatement, [ids])).map(({ id }) => id)
    },

    /** Events that are due, at most one of a user; nobody else gets them before the lease is over. */
    claim: (target: string, limit: number, leaseSeconds: number) =>
      run<ClaimedEvent>(claimStatement, [target, limit, leaseSeconds]),

    /** The target has them; of `done` it said that what it had to do is done. */
    async delivered(target: string, seqs: readonly number[], done: readonly number[]): Promise<void> {
      await run(deliveredStatement, [target, seqs, done])
    },

    /** What became of it; undefined when the lease was lost meanwhile. */
    async failed(target: string, { seq, attempt, waitSeconds, error, refused }: Failure) {
      const values = [target, seq, attempt, waitSeconds, error, refused]
      const [row] = await run<{ state: 'pending' | 'dead' }>(failedStatement, values)
      return row?.state
    },

    async release(target: string, { seq, attempt }: ClaimedEvent, waitSeconds: number): Promise<void> {
      await run(releaseStatement, [target, seq, attempt, waitSeconds])
    },

    /** What a target that polls has not acknowledged, at most one event of a user. */
    pending: (target: string, limit: number) => run<StoredEvent>(pendingStatement, [target, limit]),

    /** By event id; those with an error become dead letters. */
    async acknowledge(target: string, answers: readonly { id: string; error: string | null }[]): Promise<void> {
      if (answers.length === 0) return
      const values = [target, answers.map(({ id }) => id), answers.map(({ error }) => error)]
      await run(acknowledgeStatement, values)
    },

    async removeOld(days: number, limit: number): Promise<{ events: number; lost: number }> {
      const [row] = await run<{ events: number; lost: number }>(removeStatement, [days, limit])
      return row ?? { events: 0, lost: 0 }
    },
  }
}
