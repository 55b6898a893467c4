/** What operators see of deliveries and do to them, and what services confirm. */
import type { Actor } from '../actor.ts'
import { writeAudit } from '../audit/audit.ts'
import type { EventKind } from '../config/event-targets.ts'
import type { Database, Statement } from '../storage/database.ts'

export type DeliveryState = 'pending' | 'delivered' | 'dead'

export type Delivery = {
  seq: number
  target: string
  eventId: string
  kind: EventKind
  userId: string
  sessionId: string | null
  at: Date
  state: DeliveryState
  attempts: number
  dueAt: Date
  lastError: string | null
  settledAt: Date | null
}

export type DeliverySearch = {
  target: string | undefined
  state: DeliveryState | undefined
  after: { seq: number; target: string } | undefined
  limit: number
}

export type TargetState = {
  id: string
  pushed: boolean
  failures: number
  pausedUntil: Date
  pending: number
  dead: number
  oldestSeconds: number
}

const searchStatement: Statement = {
  name: 'search_deliveries',
  text: `
    select d.seq, d.target, e.id as "eventId", e.kind, e.user_id as "userId", e.session_id as "sessionId", e.at, d.state, d.attempts,
      d.due_at as "dueAt", d.last_error as "lastError", d.settled_at as "settledAt"
    from event_deliveries d join events e on e.seq = d.seq
    where ($1::text is null or d.target = $1) and ($2::text is null or d.state = $2)
      and ($3::bigint is null or (d.seq, d.target) < ($3, $4::text))
    order by d.seq desc, d.target desc limit $5::int`,
}

const REPLAY_PAGE = 2000
/** In the order of the events, so that the first of a user goes first again. */
const replayStatement: Statement = {
  name: 'replay_events',
  text: `
    with page as materialized (
      select seq, user_id, kind from events where at >= $2::timestamptz and seq > $3::bigint order by seq limit ${REPLAY_PAGE}
    ),
    put as (
      insert into event_deliveries (target, seq, user_id)
      select $1, seq, user_id from page where $4::text[] is null or kind = any ($4::text[]) order by seq
      on conflict (target, seq) do update
        set state = 'pending', attempts = 0, due_at = clock_timestamp(), last_error = null, settled_at = null
        where event_deliveries.state <> 'pending'
      returning seq
    )
    select (select count(*)::int from put) as put, (select max(seq) from page) as last`,
}

const retryStatement: Statement = {
  name: 'retry_delivery',
  text: `
    update event_deliveries d set state = 'pending', attempts = 0, due_at = clock_timestamp(), settled_at = null
    from events e where e.id = $2::uuid and d.target = $1 and d.seq = e.seq and d.state = 'dead'
    returning e.user_id as "userId"`,
}

const targetsStatement: Statement = {
  name: 'event_target_states',
  text: `
    select t.id, t.pushed, t.failures, t.paused_until as "pausedUntil",
      (select count(*)::int from event_deliveries d where d.target = t.id and d.state = 'pending') as pending,
      (select count(*)::int from event_deliveries d where d.target = t.id and d.state = 'dead') as dead,
      coalesce((select extract(epoch from clock_timestamp() - e.at)::float8 from event_deliveries d join events e on e.seq = d.seq
        where d.target = t.id and d.state = 'pending' order by d.seq limit 1), 0) as "oldestSeconds"
    from event_targets t where t.id = any ($1::text[]) order by t.id`,
}

const confirmStatement: Statement = {
  name: 'confirm_erasure',
  text: `
    update erasure_confirmations set confirmed_at = coalesce(confirmed_at, clock_timestamp())
    where erasure_id = $1::uuid and target = $2 returning confirmed_at as at`,
}

export type DeliveryAdminStore = ReturnType<typeof createDeliveryAdminStore>

export function createDeliveryAdminStore({ run, kysely, clock }: Pick<Database, 'run' | 'kysely' | 'clock'>) {
  return {
    /** The newest first. */
    search: ({ target, state, after, limit }: DeliverySearch) =>
      run<Delivery>(searchStatement, [target ?? null, state ?? null, after?.seq ?? null, after?.target ?? null, limit]),

    targets: (ids: readonly string[]) => run<TargetState>(targetsStatement, [ids]),

    /** Everything that happened since then goes to the target once more; answers how many events. Audited before it begins. */
    async replay(
      { id, events }: { id: string; events: readonly EventKind[] | undefined },
      from: Date,
      actor: Actor,
    ): Promise<number> {
      const detail = { target: id, from: from.toISOString() }
      await writeAudit(kysely, { kind: 'events_replayed', at: clock.now(), actor, detail })
      let count = 0
      let after = 0
      for (;;) {
        const values = [id, from, after, events ?? null]
        const [page] = await run<{ put: number; last: number | null }>(replayStatement, values)
        count += page?.put ?? 0
        if (!page || page.last === null) return count
        after = page.last
      }
    },

    /** A dead letter is tried again, after what the target was told since. False when there is none such. */
    async retry(target: string, eventId: string, actor: Actor): Promise<boolean> {
      const [row] = await run<{ userId: string }>(retryStatement, [target, eventId])
      if (!row) return false
      const detail = { target, event_id: eventId }
      await writeAudit(kysely, { kind: 'delivery_retried', at: clock.now(), actor, user_id: row.userId, detail })
      return true
    },

    /** When the target confirmed this erasure first; undefined when it has nothing to confirm. */
    async confirm(erasureId: string, target: string): Promise<Date | undefined> {
      const [row] = await run<{ at: Date }>(confirmStatement, [erasureId, target])
      return row?.at
    },
  }
}
