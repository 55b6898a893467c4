/** Ends that the database lost, written anew: of sessions that it has as live ones, and of those that it does not know at all. */
import { auditRowsText } from '../audit/audit.ts'
import type { EndedSession } from '../events/session-ended.ts'
import type { Database, Statement } from '../storage/database.ts'
import type { SessionEndReason } from '../storage/schema.ts'

export type KeptEnd = EndedSession & { reason: SessionEndReason }

/**
 * A session that is not there was opened and ended in the time that was lost: a row that names nobody's openid keeps its place in the
 * status lists of replicas that start later, until its tokens are dead.
 */
const endAgainStatement: Statement = {
  name: 'end_sessions_again',
  text: `
    with forgotten as (
      select k.* from json_to_recordset($1::text::json) as k (sid uuid, "userId" uuid, "statusIndex" bigint, appid text, reason text)
      where not exists (select from sessions s where s.id = k.sid and s.ended_at is not null)
    ),
    again as (
      insert into sessions as s (id, user_id, platform, appid, openid, created_at, refreshed_at, last_used_at, idle_expires_at, expires_at,
        status_index, ended_at, ended_xid, end_reason)
      select sid, "userId", '', appid, '', t.at, t.at, t.at, t.at, t.at, "statusIndex", t.at, pg_current_xact_id(), reason
      from forgotten, (select clock_timestamp() as at) t order by sid
      on conflict (id) do update set ended_at = excluded.ended_at, ended_xid = excluded.ended_xid, end_reason = excluded.end_reason
        where s.ended_at is null
      returning s.id, s.user_id, s.appid, s.ended_at, s.end_reason
    ),
    audited as (
      ${auditRowsText({
        kind: 'session_ended',
        from: 'again',
        at: 'ended_at',
        user_id: 'user_id',
        session_id: 'id',
        appid: 'appid',
        actor: "'system'",
        detail: "jsonb_build_object('reason', end_reason, 'again', true)",
      })}
    )
    select count(*)::int as n from again`,
}

export const createRestoredStore = ({ run }: Pick<Database, 'run'>) => ({
  /** How many of them the database had forgotten. */
  async endAgain(ends: readonly KeptEnd[]): Promise<number> {
    const [row] = await run<{ n: number }>(endAgainStatement, [JSON.stringify(ends)])
    return row?.n ?? 0
  },
})
