/**
 * The inbox: every event is kept here from the answer to the platform until it is done, and remembered longer, so that a repeat does
 * nothing twice. Claimed row by row, by the database's time: any number of replicas may work on it.
 */
import { sql } from 'kysely'
import type { Actor } from '../actor.ts'
import { type AuditKind, writeAudit } from '../audit/audit.ts'
import type { Database, Statement } from '../storage/database.ts'
import { transact } from '../storage/transaction.ts'
import type { ClearedField, NewEvent } from './event.ts'

/** How long a claimed event belongs to whoever took it: then another may, since the first has died. */
const LEASE = '2 minutes'
/** Longer than a push may be old when it comes: a replay is known as long as it would be accepted. */
const REMEMBERED = '7 days'
const GIVEN_UP_KEPT = '30 days'

export type Claimed = {
  id: number
  digest: string
  kind: 'user' | 'other'
  platform: string
  appid: string
  name: string | null
  format: 'json' | 'xml' | 'text'
  message: string
  source: string
  received_at: Date
  /** This one included: also the number of the claim, by which a late worker knows that it is no longer its own. */
  attempts: number
}

const insertStatement: Statement = {
  name: 'keep_platform_event',
  text: `insert into platform_events (digest, platform, appid, kind, name, format, message, source)
    values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict (digest) do nothing returning id`,
}

const claimStatement: Statement = {
  name: 'claim_platform_events',
  text: `
    with due as materialized (
      select id from platform_events where kind = $1 and due_at <= clock_timestamp()
      order by due_at, id limit $2 for update skip locked
    )
    update platform_events e set attempts = attempts + 1, due_at = clock_timestamp() + interval '${LEASE}'
    from due where e.id = due.id
    returning e.id, e.digest, e.kind, e.platform, e.appid, e.name, e.format, e.message, e.source, e.received_at, e.attempts`,
}

const finishStatement: Statement = {
  name: 'finish_platform_event',
  text: `update platform_events set due_at = null, done_at = clock_timestamp(), outcome = coalesce(outcome || ' ', '') || $3, error = null, message = null
    where id = $1 and attempts = $2`,
}

/** `$5`: whether this attempt counts. */
const retryStatement: Statement = {
  name: 'retry_platform_event',
  text: `update platform_events set due_at = clock_timestamp() + make_interval(secs => $3::float8 / 1000), error = $4,
      attempts = attempts - $5::int
    where id = $1 and attempts = $2`,
}

const passOnStatement: Statement = {
  name: 'pass_on_platform_event',
  text: `update platform_events set kind = 'other', due_at = clock_timestamp(), outcome = $3, attempts = 0
    where id = $1 and attempts = $2`,
}

const giveUpStatement: Statement = {
  name: 'give_up_platform_event',
  text: `update platform_events set due_at = null, done_at = clock_timestamp(), outcome = 'dead', error = $3
    where id = $1 and attempts = $2`,
}

const forgetStatement: Statement = {
  name: 'forget_platform_events',
  text: `delete from platform_events where id in (
      select id from platform_events where due_at is null
        and done_at < clock_timestamp() - case when outcome = 'dead' then interval '${GIVEN_UP_KEPT}' else interval '${REMEMBERED}' end
      order by done_at limit 1000 for update skip locked)`,
}

const waitingStatement: Statement = {
  name: 'waiting_platform_events',
  text: `select kind, count(*)::int as count, extract(epoch from clock_timestamp() - min(received_at))::float8 as age
    from platform_events where due_at is not null group by kind`,
}

export type Clearing = {
  platform: string
  appid: string
  openid: string
  fields: readonly ClearedField[]
  /** Whether a login may bring the fields again: not when the user took them back. */
  keptEmpty: boolean
  /** An account that is younger than the event is another one. */
  before: Date
  audit: { kind: AuditKind; actor: Actor; detail: Record<string, unknown> }
}

export type Inbox = ReturnType<typeof createInbox>

export function createInbox(database: Database) {
  const { run, kysely } = database
  return {
    /** False when the event is known already. */
    async keep(platform: string, appid: string, source: string, event: NewEvent): Promise<boolean> {
      const { digest, kind, name, format, message } = event
      const rows = await run(insertStatement, [digest, platform, appid, kind, name, format, message, source])
      return rows.length > 0
    },
    /** The next ones that are due, in the order in which they came. */
    async claim(kind: 'user' | 'other', limit: number): Promise<Claimed[]> {
      const claimed = await run<Claimed>(claimStatement, [kind, limit])
      return claimed.sort((a, b) => a.id - b.id)
    },
    async finish({ id, attempts }: Claimed, outcome: string): Promise<void> {
      await run(finishStatement, [id, attempts, outcome])
    },
    async retry({ id, attempts }: Claimed, afterMs: number, error: string, counted: boolean): Promise<void> {
      await run(retryStatement, [id, attempts, afterMs, error, counted ? 0 : 1])
    },
    /** What was to do for its user is done; what is left is the stream's. */
    async passOn({ id, attempts }: Claimed, outcome: string): Promise<void> {
      await run(passOnStatement, [id, attempts, outcome])
    },
    /** It stays with its message, for somebody to look at. */
    async giveUp({ id, attempts }: Claimed, error: string): Promise<void> {
      await run(giveUpStatement, [id, attempts, error])
    },
    async forget(): Promise<void> {
      await run(forgetStatement, [])
    },
    async waiting(): Promise<{ kind: 'user' | 'other'; count: number; age: number }[]> {
      return await run(waitingStatement, [])
    },

    /** Whose identity it is, unless the account is younger than the event. */
    async ownerOf({ platform, appid, openid, before }: Omit<Clearing, 'fields' | 'keptEmpty' | 'audit'>) {
      const row = await kysely
        .selectFrom('platform_identities')
        .select('user_id')
        .where('platform', '=', platform)
        .where('appid', '=', appid)
        .where('openid', '=', openid)
        .where('created_at', '<=', before)
        .executeTakeFirst()
      return row?.user_id
    },

    /** Empties the fields of the identity's user, and records that it did. Undefined when there is no such user. */
    async clear({ fields, keptEmpty, audit, ...identity }: Clearing, at: Date) {
      return await transact(database, async (tx) => {
        const user = await tx
          .selectFrom('platform_identities as p')
          .innerJoin('users as u', 'u.id', 'p.user_id')
          .select(['u.id', 'u.nickname', 'u.avatar', 'u.phone', 'u.email', 'u.address'])
          .where('p.platform', '=', identity.platform)
          .where('p.appid', '=', identity.appid)
          .where('p.openid', '=', identity.openid)
          .where('p.created_at', '<=', identity.before)
          .where('u.status', '<>', 'erased')
          .forNoKeyUpdate('u')
          .executeTakeFirst()
        if (!user) return undefined
        const cleared = fields.filter((field) => user[field] !== null)
        const names = sql`${[...fields]}::text[]`
        await tx
          .updateTable('users')
          .set({
            ...Object.fromEntries(cleared.map((field) => [field, null])),
            ...(cleared.includes('phone') ? { exclusive_phone: null } : {}),
            // As if the user had emptied them here, or as if nobody had ever set them.
            chosen_fields: keptEmpty
              ? sql`array(select distinct unnest(chosen_fields || ${names}) order by 1)`
              : sql`array(select unnest(chosen_fields) except select unnest(${names}) order by 1)`,
            ...(cleared.length > 0 ? { version: sql`version + 1`, updated_at: at } : {}),
          })
          .where('id', '=', user.id)
          .execute()
        const { kind, actor, detail } = audit
        await writeAudit(tx, {
          ...{ kind, at, actor, user_id: user.id, appid: identity.appid },
          detail: { ...detail, cleared },
        })
        return { userId: user.id, cleared, avatar: cleared.includes('avatar') ? user.avatar : null }
      })
    },
  }
}
