/** The ends of sessions in PostgreSQL: each is one statement that ends, audits and says which. */
import { type ExpressionBuilder, type Kysely, type RawBuilder, sql } from 'kysely'
import type { Actor } from '../actor.ts'
import { auditRows } from '../audit/audit.ts'
import type { EndedSession } from '../events/session-ended.ts'
import type { Schema, SessionEndReason } from '../storage/schema.ts'

/** One session, or a user's: all, only one, or all except one. */
export type ChosenSessions = { sid: string } | { userId: string; only?: string; except?: string }

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

/** With a limit to its waits it passes over the rows that somebody else holds, which are `held`; else it waits for them. */
export async function endSessions(
  db: Kysely<Schema>,
  chosen: ChosenSessions,
  reason: SessionEndReason,
  actor: Actor,
  at: Date,
  limit?: RawBuilder<boolean>,
): Promise<(EndedSession & { held: boolean })[]> {
  const isChosen = (eb: ExpressionBuilder<Schema, 'sessions'>) => {
    const lives = eb('ended_at', 'is', null)
    if ('sid' in chosen) return eb.and([lives, eb('id', '=', chosen.sid)])
    const { userId, only, except } = chosen
    const ofUser = eb.and([lives, eb('user_id', '=', userId)])
    if (only !== undefined) return eb.and([ofUser, eb('id', '=', only)])
    return except === undefined ? ofUser : eb.and([ofUser, eb('id', '<>', except)])
  }
  return await db
    // One order, as in the batches of refreshes: two statements never wait for each other's rows.
    .with('target', (cte) => {
      const target = cte.selectFrom('sessions').select('id').where(isChosen).orderBy('id').forNoKeyUpdate()
      return limit ? target.where(limit).skipLocked() : target
    })
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
    .selectFrom('sessions')
    .select(['id as sid', 'user_id as userId', 'status_index as statusIndex', 'appid'])
    .select((eb) => eb('id', 'not in', eb.selectFrom('target').select('id')).$castTo<boolean>().as('held'))
    .where((eb) => eb.or([eb('id', 'in', eb.selectFrom('ended').select('id')), limit ? isChosen(eb) : eb.lit(false)]))
    .execute()
}
