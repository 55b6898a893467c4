/** Sessions in PostgreSQL: each use of a refresh token is one statement, and so is each end. */
import { type ExpressionBuilder, type Kysely, sql } from 'kysely'
import type { Actor } from '../actor.ts'
import { auditRows, auditRowsText } from '../audit/audit.ts'
import type { EndedSession } from '../events/session-ended.ts'
import type { PlatformIdentity } from '../platforms/platform.ts'
import { createBatch } from '../storage/batch.ts'
import type { Database, Statement } from '../storage/database.ts'
import type { Schema, SessionEndReason, UserStatus } from '../storage/schema.ts'
import { isDatabaseUnavailable } from '../storage/sqlstate.ts'

export type RefreshItem = { sid: string; counter: number; ip: string | undefined; requestId: string }

/** What became of a session when one of its refresh tokens was used. */
export type Refreshed = {
  sid: string
  userId: string
  platform: string
  appid: string
  openid: string
  unionid: string | null
  statusIndex: number
  refreshCounter: number
  /** Until the session ends if it is not refreshed again. */
  endsInSeconds: number
  /** The same as a moment, in seconds since 1970. */
  sessionEndsAt: number
  /** Set when this use was a replay. */
  endedAt: Date | null
  status: UserStatus
  nickname: string | null
  roles: string[]
  claims: Record<string, unknown> | null
  externalId: string | null
}

/**
 * The token of the current counter moves it; the one just before it, within the reuse interval, moves nothing and so gets the
 * same successor; anything older is a replay and ends the session. Every decision is made on the locked row, so parallel uses
 * queue up behind each other. The idle limit keeps the length it was given at login. The limit makes the planner look up by index.
 */
export const refreshStatement: Statement = {
  name: 'refresh_sessions',
  shared: true,
  text: `
    with input as materialized (
      select * from unnest($1::uuid[], $2::int[], $3::text[], $4::text[]) as i (sid, counter, ip, request_id)
      limit $7::int
    ),
    used as (
      update sessions s set
        refresh_counter = s.refresh_counter + (s.refresh_counter = i.counter)::int,
        refreshed_at = case when s.refresh_counter = i.counter then $5::timestamptz else s.refreshed_at end,
        idle_expires_at = case when s.refresh_counter = i.counter
          then $5::timestamptz + (s.idle_expires_at - s.refreshed_at) else s.idle_expires_at end,
        last_used_at = $5::timestamptz,
        ip = coalesce(i.ip, s.ip),
        ended_at = case when i.counter < s.refresh_counter - 1
          or (i.counter = s.refresh_counter - 1 and s.refreshed_at not between $6::timestamptz and $8::timestamptz) then $5::timestamptz end,
        ended_xid = case when i.counter < s.refresh_counter - 1
          or (i.counter = s.refresh_counter - 1 and s.refreshed_at not between $6::timestamptz and $8::timestamptz) then pg_current_xact_id() end,
        end_reason = case when i.counter < s.refresh_counter - 1
          or (i.counter = s.refresh_counter - 1 and s.refreshed_at not between $6::timestamptz and $8::timestamptz) then 'replayed' end
      from input i
      where s.id = i.sid and s.ended_at is null and s.idle_expires_at > $5::timestamptz and s.expires_at > $5::timestamptz
        and i.counter <= s.refresh_counter
      returning s.id as sid, s.user_id, s.platform, s.appid, s.openid, s.unionid, s.status_index, s.refresh_counter,
        ceil(extract(epoch from least(s.idle_expires_at, s.expires_at) - $5::timestamptz))::int as ends_in_seconds,
        extract(epoch from least(s.idle_expires_at, s.expires_at))::float8 as ends_at, s.ended_at, i.ip,
        i.request_id
    ),
    audited as (
      ${auditRowsText({
        kind: 'refresh_replayed',
        from: 'used where ended_at is not null',
        at: '$5',
        user_id: 'user_id',
        session_id: 'sid',
        appid: 'appid',
        ip: 'ip',
        actor: "'user'",
        request_id: 'request_id',
      })}
    )
    select sid, user_id as "userId", platform, appid, openid, unionid, status_index as "statusIndex",
      refresh_counter as "refreshCounter", ends_in_seconds as "endsInSeconds", ends_at as "sessionEndsAt",
      ended_at as "endedAt", u.status, u.nickname, u.roles, u.claims, u.external_id as "externalId"
    from used join users u on u.id = used.user_id`,
}

/** Whether a session lives, asked by each request of a user; `last_used_at` is written at the first use, then once in a while. */
const aliveStatement: Statement = {
  name: 'session_alive',
  text: `
    with alive as materialized (
      select s.id, s.last_used_at, s.created_at, u.roles from sessions s join users u on u.id = s.user_id and u.status = 'active'
      where s.id = $1::uuid and s.ended_at is null and s.idle_expires_at > $2::timestamptz and s.expires_at > $2::timestamptz
    ),
    touched as (
      update sessions s set last_used_at = greatest($2::timestamptz, s.created_at + interval '1 millisecond') from alive a
      where s.id = a.id and (a.last_used_at < $3::timestamptz or a.last_used_at = a.created_at)
    )
    select roles from alive`,
}

const TOUCH_AFTER_MS = 5 * 60_000
/** Two replicas know the database's time a little differently; a use that lies further in the future says nothing: it is old. */
const CLOCK_TOLERANCE_MS = 5000

/** One session, or a user's: all, only one, or all except one. */
export type ChosenSessions = { sid: string } | { userId: string; only?: string; except?: string }

export type SessionStore = ReturnType<typeof createSessionStore>

export type SessionStoreParts = { database: Database; now: () => Date; reuseIntervalSeconds: number }

export function createSessionStore({ database, now, reuseIntervalSeconds }: SessionStoreParts) {
  const { kysely } = database

  const refresh = createBatch<RefreshItem, Refreshed | undefined>({
    name: `postgres ${refreshStatement.name}`,
    span: database.span,
    isOutage: isDatabaseUnavailable,
    keyOf: (item) => item.sid,
    async run(items) {
      const at = now()
      const rows = await database.run<Refreshed>(refreshStatement, [
        items.map((item) => item.sid),
        items.map((item) => item.counter),
        items.map((item) => item.ip ?? null),
        items.map((item) => item.requestId),
        at,
        new Date(at.getTime() - reuseIntervalSeconds * 1000),
        items.length,
        new Date(at.getTime() + CLOCK_TOLERANCE_MS),
      ])
      const bySid = new Map(rows.map((row) => [row.sid, row]))
      return items.map((item) => bySid.get(item.sid))
    },
  })

  return {
    /** Uses a refresh token; undefined when its session is not there, has ended, or never had that counter. */
    refresh,

    /** The user's roles as they are now, if the session lives and its user is active. Counts as a use of it. */
    async rolesIfAlive(sid: string): Promise<string[] | undefined> {
      const at = now()
      const touchBefore = new Date(at.getTime() - TOUCH_AFTER_MS)
      const [row] = await database.run<{ roles: string[] }>(aliveStatement, [sid, at, touchBefore])
      return row?.roles
    },

    /** What became of the session, and of its user. */
    async find(sid: string) {
      return await kysely
        .selectFrom('sessions')
        .innerJoin('users', 'users.id', 'sessions.user_id')
        .select(['users.status', 'ended_at as endedAt', 'end_reason as endReason'])
        .where('sessions.id', '=', sid)
        .executeTakeFirst()
    },

    /** Where the session signed in. */
    async identityOf(sid: string): Promise<PlatformIdentity | undefined> {
      return await kysely
        .selectFrom('sessions')
        .select(['platform', 'appid', 'openid'])
        .where('id', '=', sid)
        .executeTakeFirst()
    },

    /** The session if this refresh token of it could still be used now: the current one, or the one before within the interval. */
    async findUsable({ sid, counter }: { sid: string; counter: number }) {
      const at = now()
      return await kysely
        .selectFrom('sessions')
        .innerJoin('users', 'users.id', 'sessions.user_id')
        .select((eb) => [
          'sessions.id as sid',
          'user_id as userId',
          'appid',
          'refreshed_at as refreshedAt',
          eb.fn<Date>('least', ['idle_expires_at', 'expires_at']).as('endsAt'),
        ])
        .where('sessions.id', '=', sid)
        .where('users.status', '=', 'active')
        .where(isLive(at))
        .where((eb) =>
          eb.or([
            eb('refresh_counter', '=', counter),
            eb.and([
              eb('refresh_counter', '=', counter + 1),
              eb('refreshed_at', '>=', new Date(at.getTime() - reuseIntervalSeconds * 1000)),
              eb('refreshed_at', '<=', new Date(at.getTime() + CLOCK_TOLERANCE_MS)),
            ]),
          ]),
        )
        .executeTakeFirst()
    },

    /** The live sessions of a user, the last used first. */
    async listLive(userId: string) {
      return await kysely
        .selectFrom('sessions')
        .select(['id', 'platform', 'appid', 'parent_id', 'device', 'ip', 'created_at', 'last_used_at'])
        .where('user_id', '=', userId)
        .where(isLive(now()))
        .orderBy('last_used_at', 'desc')
        .orderBy('id', 'desc')
        .execute()
    },

    /** Ends the chosen sessions that live and audits each, in one statement; answers those it ended. */
    end: (chosen: ChosenSessions, reason: SessionEndReason, actor: Actor) =>
      endSessions(kysely, chosen, reason, actor, now()),
  }
}

const isLive = (at: Date) => (eb: ExpressionBuilder<Schema, 'sessions'>) =>
  eb.and([eb('ended_at', 'is', null), eb('idle_expires_at', '>', at), eb('expires_at', '>', at)])

/** What a change of a user does to their sessions, inside the transaction of that change. */
export const userSessions = {
  /** Ends every one that lives. */
  end: (tx: Kysely<Schema>, userId: string, reason: SessionEndReason, actor: Actor, at: Date) =>
    endSessions(tx, { userId }, reason, actor, at),

  /** Ends every one that lives, and takes away what is personal in all of them. */
  async erase(tx: Kysely<Schema>, userId: string, actor: Actor, at: Date): Promise<EndedSession[]> {
    const ended = await endSessions(tx, { userId }, 'erased', actor, at)
    const nothing = { openid: '', unionid: null, device: null, ip: null }
    await tx.updateTable('sessions').set(nothing).where('user_id', '=', userId).execute()
    return ended
  },
}

async function endSessions(
  db: Kysely<Schema>,
  chosen: ChosenSessions,
  reason: SessionEndReason,
  actor: Actor,
  at: Date,
): Promise<EndedSession[]> {
  return await db
    // One order, as in the batches of refreshes: two statements never wait for each other's rows.
    .with('target', (cte) =>
      cte
        .selectFrom('sessions')
        .select('id')
        .where('ended_at', 'is', null)
        .where((eb) => {
          if ('sid' in chosen) return eb('id', '=', chosen.sid)
          const { userId, only, except } = chosen
          const ofUser = eb('user_id', '=', userId)
          if (only !== undefined) return eb.and([ofUser, eb('id', '=', only)])
          return except === undefined ? ofUser : eb.and([ofUser, eb('id', '<>', except)])
        })
        .orderBy('id')
        .forNoKeyUpdate(),
    )
    .with('ended', (cte) =>
      cte
        .updateTable('sessions')
        .set({ ended_at: at, ended_xid: sql<string>`pg_current_xact_id()`, end_reason: reason })
        .where('id', 'in', (eb) => eb.selectFrom('target').select('id'))
        .returning(['id', 'user_id', 'status_index', 'appid']),
    )
    .with('audited', () =>
      auditRows(
        'ended',
        { kind: 'session_ended', at, actor, detail: { reason } },
        { user_id: 'user_id', session_id: 'id', appid: 'appid' },
      ),
    )
    .selectFrom('ended')
    .select(['id as sid', 'user_id as userId', 'status_index as statusIndex', 'appid'])
    .execute()
}
