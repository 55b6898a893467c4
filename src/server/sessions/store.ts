/** Sessions in PostgreSQL: each use of a refresh token is one statement, and so is each end. */
import type { ExpressionBuilder } from 'kysely'
import type { Actor } from '../actor.ts'
import { auditRowsText } from '../audit/audit.ts'
import type { EndedSession } from '../events/session-ended.ts'
import type { PlatformIdentity } from '../platforms/platform.ts'
import type { Database, Statement } from '../storage/database.ts'
import { batchLockLimit, createPatience, firstLockLimit, withinLockLimit } from '../storage/held-rows.ts'
import { createPatientBatch } from '../storage/patient-batch.ts'
import type { Schema, SessionEndReason, UserStatus } from '../storage/schema.ts'
import { type ChosenSessions, endSessions } from './end-store.ts'

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
  /** Whether this token had been used before; and from where the session was used last. */
  repeated: boolean
  usedFrom: string | null
  status: UserStatus
  nickname: string | null
  roles: string[]
  claims: Record<string, unknown> | null
  externalId: string | null
}

/**
 * The token of the current counter moves it; the one just before it, within the reuse interval, moves nothing and so gets the
 * same successor, and is told by a last use after the refresh; anything older is a replay and ends the session. Every decision is
 * made on the locked row, so parallel uses queue up behind each other. The idle limit keeps the length it was given at login. The
 * limits make the planner look up by index, as in login's statement. `held`: a row that somebody else holds is passed over and
 * comes back so; without it the statement fails at such a row.
 */
function refreshText({ passOverHeld }: { passOverHeld: boolean }): string {
  const free = `
    free as materialized (
      select s.id from input i join sessions s on s.id = i.sid for no key update of s skip locked
    ),`
  const held = `
      select r.sid is null and i.sid not in (select id from free) and coalesce((select true from sessions s where s.id = i.sid limit 1), false) as held`
  return `
    with input as materialized (
      select * from (select i.* from json_to_recordset($1::text::json) as i (sid uuid, counter int, ip text, request_id text), ${passOverHeld ? batchLockLimit : firstLockLimit}
        limit $4::int) few
      limit $4::int
    ),${passOverHeld ? free : ''}
    used as (
      update sessions s set
        refresh_counter = s.refresh_counter + (s.refresh_counter = i.counter)::int,
        refreshed_at = case when s.refresh_counter = i.counter then $2::timestamptz else s.refreshed_at end,
        idle_expires_at = case when s.refresh_counter = i.counter
          then $2::timestamptz + (s.idle_expires_at - s.refreshed_at) else s.idle_expires_at end,
        last_used_at = case when s.refresh_counter = i.counter
          then $2::timestamptz else greatest($2::timestamptz, s.refreshed_at + interval '1 microsecond') end,
        ip = case when s.refresh_counter = i.counter then coalesce(i.ip, s.ip) else s.ip end,
        ended_at = case when i.counter < s.refresh_counter - 1
          or (i.counter = s.refresh_counter - 1 and s.refreshed_at not between $3::timestamptz and $5::timestamptz) then $2::timestamptz end,
        ended_xid = case when i.counter < s.refresh_counter - 1
          or (i.counter = s.refresh_counter - 1 and s.refreshed_at not between $3::timestamptz and $5::timestamptz) then pg_current_xact_id() end,
        end_reason = case when i.counter < s.refresh_counter - 1
          or (i.counter = s.refresh_counter - 1 and s.refreshed_at not between $3::timestamptz and $5::timestamptz) then 'replayed' end
      from input i${passOverHeld ? ' join free on free.id = i.sid' : ''}
      where s.id = i.sid and s.ended_at is null and s.idle_expires_at > $2::timestamptz and s.expires_at > $2::timestamptz
        and i.counter <= s.refresh_counter
      returning s.id as sid, s.user_id, s.platform, s.appid, s.openid, s.unionid, s.status_index, s.refresh_counter,
        ceil(extract(epoch from least(s.idle_expires_at, s.expires_at) - $2::timestamptz))::int as ends_in_seconds,
        floor(extract(epoch from least(s.idle_expires_at, s.expires_at)))::bigint as ends_at, s.ended_at, i.ip,
        i.request_id, s.last_used_at > s.refreshed_at as repeated, s.ip as used_from
    ),
    audited as (
      ${auditRowsText({
        kind: 'refresh_replayed',
        from: 'used where ended_at is not null',
        at: '$2',
        user_id: 'user_id',
        session_id: 'sid',
        appid: 'appid',
        ip: 'ip',
        actor: "'user'",
        request_id: 'request_id',
      })}
    )
    select i.sid, h.held, user_id as "userId", platform, appid, openid, unionid, status_index as "statusIndex",
      refresh_counter as "refreshCounter", ends_in_seconds as "endsInSeconds", ends_at as "sessionEndsAt",
      ended_at as "endedAt", repeated, used_from as "usedFrom", u.status, u.nickname, u.roles, u.claims, u.external_id as "externalId"
    from input i left join used r on r.sid = i.sid left join users u on u.id = r.user_id
    -- In this order, so that only a session that nobody used is looked up once more.
    cross join lateral (${passOverHeld ? held : 'select false as held'}
    ) h
    where r.sid is not null or h.held`
}

/** `shared`: of several requests. */
export const refreshStatement: Statement = {
  name: 'refresh_sessions',
  shared: true,
  text: refreshText({ passOverHeld: false }),
}
export const refreshFreeStatement: Statement = {
  name: 'refresh_free_sessions',
  shared: true,
  text: refreshText({ passOverHeld: true }),
}

/** Whether a session lives, asked by each request of a user; its use is written down at first, then once in a while, and waits for nobody. */
const aliveStatement: Statement = {
  name: 'session_alive',
  text: `
    with alive as materialized (
      select s.id, s.last_used_at, s.created_at, u.roles, u.external_id from sessions s join users u on u.id = s.user_id and u.status = 'active'
      where s.id = $1::uuid and s.ended_at is null and s.idle_expires_at > $2::timestamptz and s.expires_at > $2::timestamptz
    ),
    free as materialized (
      select s.id from sessions s where s.id = (select id from alive a where a.last_used_at < $3::timestamptz or a.last_used_at = a.created_at)
      for no key update skip locked
    ),
    touched as (
      update sessions s set last_used_at = greatest($2::timestamptz, s.created_at + interval '1 millisecond') from free where s.id = free.id
    )
    select roles, external_id as "externalId" from alive`,
}

const TOUCH_AFTER_MS = 5 * 60_000
/** Two replicas know the database's time a little differently; a use that lies further in the future says nothing: it is old. */
const CLOCK_TOLERANCE_MS = 5000

type Used = Refreshed & { held: boolean }

export type SessionStore = ReturnType<typeof createSessionStore>

export type SessionStoreParts = { database: Database; now: () => Date; reuseIntervalSeconds: number }

export function createSessionStore({ database, now, reuseIntervalSeconds }: SessionStoreParts) {
  const { kysely } = database
  const patiently = createPatience()
  async function useTokens(statement: Statement, items: readonly RefreshItem[]): Promise<Map<string, Used>> {
    const at = now()
    const rows = await database.run<Used>(statement, [
      JSON.stringify(items.map(({ requestId, ...item }) => ({ ...item, request_id: requestId }))),
      at,
      new Date(at.getTime() - reuseIntervalSeconds * 1000),
      items.length,
      new Date(at.getTime() + CLOCK_TOLERANCE_MS),
    ])
    return new Map(rows.map((row) => [row.sid, row]))
  }
  const refresh = createPatientBatch<RefreshItem, Refreshed | undefined>({
    name: refreshStatement.name,
    span: database.span,
    keyOf: (item) => item.sid,
    async runFirst(items) {
      const used = await useTokens(refreshStatement, items)
      return items.map((item) => used.get(item.sid))
    },
    async run(items) {
      const used = await useTokens(refreshFreeStatement, items)
      return items.map((item) => (used.get(item.sid)?.held ? 'held' : used.get(item.sid)))
    },
  })

  return {
    /** Uses a refresh token; undefined when its session is not there, has ended, or never had that counter. Throws RowHeld. */
    refresh,

    /** What of the user changes under a token, as it is now, if the session lives and its user is active. Counts as a use of it. */
    async userIfAlive(sid: string): Promise<{ roles: string[]; externalId: string | null } | undefined> {
      const at = now()
      const touchBefore = new Date(at.getTime() - TOUCH_AFTER_MS)
      const [row] = await database.run<{ roles: string[]; externalId: string | null }>(aliveStatement, [
        sid,
        at,
        touchBefore,
      ])
      return row
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

    /**
     * Ends the chosen sessions that live and audits each; `onEnded` is told of those that each statement ended. Throws RowHeld for
     * those that somebody else holds, once the others have ended.
     */
    async end(
      chosen: ChosenSessions,
      reason: SessionEndReason,
      actor: Actor,
      onEnded: (ended: EndedSession[]) => void,
    ) {
      await patiently('sid' in chosen ? chosen.sid : chosen.userId, async () => {
        const rows = await endSessions(kysely, chosen, reason, actor, now(), withinLockLimit)
        onEnded(rows.filter((row) => !row.held))
        return rows.some((row) => row.held) ? 'held' : undefined
      })
    },
  }
}

const isLive = (at: Date) => (eb: ExpressionBuilder<Schema, 'sessions'>) =>
  eb.and([eb('ended_at', 'is', null), eb('idle_expires_at', '>', at), eb('expires_at', '>', at)])
