/**
 * What housekeeping does to the tables: each step short, behind the lock of its job's row, which works through a transaction
 * pooler too. Nothing here waits for a row that somebody uses, nor lets anybody wait for long.
 */
import { type Kysely, sql } from 'kysely'
import type { Database, Statement } from '../storage/database.ts'
import type { Schema } from '../storage/schema.ts'

export const BATCH_ROWS = 1000
/** How long a change of the partitions may queue for its lock, and others behind it. */
const LOCK_TIMEOUT = '200ms'

/**
 * One step of the walk along the primary key, since idle_expires_at has no index: refreshes would have to keep it up. A
 * session is looked at again once its row is locked, so one that was refreshed meanwhile stays.
 */
const sessionsStatement: Statement = {
  name: 'delete_dead_sessions',
  text: `
    with job as materialized (
      select job, coalesce(cursor, '00000000-0000-0000-0000-000000000000') as cursor from housekeeping
      where job = 'sessions' and done_at <= $1::timestamptz for update skip locked
    ),
    page as materialized (
      select id from sessions where id > (select cursor from job) order by id limit ${BATCH_ROWS}
    ),
    dead as materialized (
      select id from sessions
      where id in (select id from page)
        and (least(idle_expires_at, expires_at) < $2::timestamptz or ended_at < $3::timestamptz)
      for update skip locked
    ),
    gone as (delete from sessions s using dead where s.id = dead.id returning s.id),
    walked as (
      update housekeeping h set
        cursor = case when p.rows = ${BATCH_ROWS} then p.last end,
        done_at = case when p.rows = ${BATCH_ROWS} then h.done_at else $4::timestamptz end
      from job, (select count(*) as rows, (select id from page order by id desc limit 1) as last from page) p
      where h.job = job.job
      returning h.cursor is null as finished
    )
    select walked.finished, (select count(*)::int from gone) as deleted from walked`,
}

const auditRowsStatement: Statement = {
  name: 'delete_old_audit_events',
  text: `
    with job as materialized (
      select job from housekeeping where job = 'audit' and done_at <= $1::timestamptz for update skip locked
    ),
    dead as materialized (
      select at, id from audit_events_default where at < $2::timestamptz and exists (select from job)
      order by at, id limit ${BATCH_ROWS} for update skip locked
    ),
    gone as (delete from audit_events_default e using dead where e.at = dead.at and e.id = dead.id returning e.id)
    select (select count(*)::int from gone) as deleted from job`,
}

const ADDRESS_USERS = 20

/** Addresses of erased users in the audit trail, once their legal time is over; the users' own rows say when that is. */
const addressesStatement: Statement = {
  name: 'drop_addresses',
  text: `
    with job as materialized (
      select job from housekeeping where job = 'addresses' and done_at <= $1::timestamptz for update skip locked
    ),
    due as materialized (
      select id from users where addresses_until < $2::timestamptz and exists (select from job)
      order by addresses_until limit ${ADDRESS_USERS} for no key update skip locked
    ),
    dropped as (
      update audit_events e set ip = null from due where e.user_id = due.id and e.ip is not null returning e.id
    ),
    freed as (update users u set addresses_until = null from due where u.id = due.id),
    done as (
      update housekeeping h set done_at = $2::timestamptz from job
      where h.job = job.job and (select count(*) from due) < ${ADDRESS_USERS}
    )
    select (select count(*) from due) < ${ADDRESS_USERS} as finished, (select count(*)::int from dropped) as deleted from job`,
}

export type Step = { finished: boolean; deleted: number }

export type HousekeepingStore = ReturnType<typeof createHousekeepingStore>

export function createHousekeepingStore({ kysely, run }: Database) {
  /** Under the job's lock with a bound on every other; undefined when the job is not due or another replica is at it. */
  async function underLock<T>(dueBefore: Date, step: (tx: Kysely<Schema>) => Promise<T>): Promise<T | undefined> {
    return await kysely
      .transaction()
      .setIsolationLevel('read committed')
      .execute(async (tx) => {
        const job = await tx
          .selectFrom('housekeeping')
          .select('job')
          .where('job', '=', 'audit')
          .where('done_at', '<=', dueBefore)
          .forUpdate()
          .skipLocked()
          .executeTakeFirst()
        if (!job) return undefined
        await sql`set local lock_timeout = ${sql.lit(LOCK_TIMEOUT)}`.execute(tx)
        return await step(tx)
      })
  }

  return {
    /** The next sessions in line; undefined when the job is not due or another replica is at it. */
    async deleteSessions(at: { dueBefore: Date; expiredBefore: Date; endedBefore: Date; now: Date }) {
      const [step] = await run<Step>(sessionsStatement, [at.dueBefore, at.expiredBefore, at.endedBefore, at.now])
      return step
    },

    /** Old events that no partition took; undefined when the job is not due or another replica is at it. */
    async deleteAuditEvents({ dueBefore, before }: { dueBefore: Date; before: Date }): Promise<Step | undefined> {
      const [row] = await run<{ deleted: number }>(auditRowsStatement, [dueBefore, before])
      return row && { deleted: row.deleted, finished: row.deleted < BATCH_ROWS }
    },

    /** The next erased users in line; undefined when the job is not due or another replica is at it. */
    async dropAddresses({ dueBefore, now }: { dueBefore: Date; now: Date }): Promise<Step | undefined> {
      const [step] = await run<Step>(addressesStatement, [dueBefore, now])
      return step
    },

    auditPartitions: () => auditPartitions(kysely),

    /**
     * Made apart and then attached, which lets logins go on writing. Where the default already has events of that month,
     * they stay there.
     */
    async addAuditPartition(
      dueBefore: Date,
      { name, from, to }: { name: string; from: Date; to: Date },
    ): Promise<void> {
      await underLock(dueBefore, async (tx) => {
        if ((await auditPartitions(tx)).some((partition) => partition.name === name)) return
        const taken = await sql`select from audit_events_default where at >= ${from} and at < ${to} limit 1`.execute(tx)
        if (taken.rows.length > 0) return
        await sql`create table ${sql.table(name)} (like audit_events including defaults including constraints)`.execute(
          tx,
        )
        await sql`alter table audit_events attach partition ${sql.table(name)}
          for values from (${sql.lit(from.toISOString())}) to (${sql.lit(to.toISOString())})`.execute(tx)
      })
    },

    /** Two steps, since deleting the files of a big table takes long and detaching it does not. */
    async dropAuditPartition(dueBefore: Date, name: string): Promise<void> {
      await underLock(dueBefore, async (tx) => {
        const attached = (await auditPartitions(tx)).some((partition) => partition.name === name && partition.attached)
        if (attached) await sql`alter table audit_events detach partition ${sql.table(name)}`.execute(tx)
      })
      await underLock(dueBefore, (tx) => sql`drop table if exists ${sql.table(name)}`.execute(tx))
    },

    async finishAudit(now: Date): Promise<void> {
      await kysely.updateTable('housekeeping').set({ done_at: now }).where('job', '=', 'audit').execute()
    },
  }
}

/** Partitions by month, also those that were detached but not dropped yet. */
async function auditPartitions(db: Kysely<Schema>): Promise<{ name: string; attached: boolean }[]> {
  const { rows } = await sql<{ name: string; attached: boolean }>`
    select relname as name, relispartition as attached from pg_class
    where relnamespace = (select relnamespace from pg_class where oid = 'audit_events'::regclass)
      and relkind = 'r' and relname ~ '^audit_events_[0-9]{4}_[0-9]{2}$'
    order by relname`.execute(db)
  return rows
}
