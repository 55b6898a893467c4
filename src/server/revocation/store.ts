/** Which sessions have ended, which lists still have sessions, and how far the indexes were handed out, as PostgreSQL knows it. */
import type { Database, Statement } from '../storage/database.ts'
import { serverIdentity } from '../storage/server-identity.ts'

/** Rows of one read: parsing more of them at once would hold the event loop for too long. */
const PAGE_ROWS = 2000
/** Sessions looked at for the oldest index; ids sort by time (UUID version 7), indexes nearly so. */
const ELDEST_ROWS = 1000

/** Keyset pages on the partial index sessions_ended: everything that has ended. */
const allEndedStatement: Statement = {
  name: 'all_ended_sessions',
  text: `
    select status_index, ended_at::text as at from sessions
    where ended_at is not null and (ended_at, status_index) > ($1::timestamptz, $2::bigint)
    order by ended_at, status_index limit ${PAGE_ROWS}`,
}

/** Ends by transactions from $1 on. Those that are not committed yet are read the next time: the horizon waits for them. */
const endedFromStatement: Statement = {
  name: 'sessions_ended_from',
  text: `
    select status_index, ended_xid::text as at from sessions
    where ended_xid >= $1::text::xid8 and (ended_xid, status_index) > ($1::text::xid8, $2::bigint)
    order by ended_xid, status_index limit ${PAGE_ROWS}`,
}

/** Written by an older version of the gateway, or by hand: by time, with room for those that are committed late. */
const endedOtherwiseStatement: Statement = {
  name: 'sessions_ended_otherwise',
  text: `
    select status_index, ended_at::text as at from sessions
    where ended_at is not null and ended_xid is null
      and (ended_at, status_index) > (greatest($1::timestamptz, clock_timestamp() - interval '5 minutes'), $2::bigint)
    order by ended_at, status_index limit ${PAGE_ROWS}`,
}

/**
 * The horizon: every transaction before it is over. `is_called` tells whether `last_value` was handed out, or will be the first to
 * be. Numbers of 64 bits travel as text.
 */
const positionStatement: Statement = {
  name: 'status_list_position',
  text: `
    select last_value + is_called::int as next, pg_snapshot_xmin(pg_current_snapshot())::text as horizon,
      (select seed::text from status_list_secret) as seed, ${serverIdentity} as server
    from session_status_index`,
}

const eldestStatement: Statement = {
  name: 'eldest_status_index',
  text: `select min(status_index) as lowest from
    (select status_index from sessions order by id limit ${ELDEST_ROWS}) as eldest`,
}

/** Where the table of sessions stands: the place that the next session gets, the horizon of its ends, the key of the shuffle, on which server. */
export type Position = { next: number; horizon: string; seed: string; server: string }

export type StatusStore = ReturnType<typeof createStatusStore>

export function createStatusStore({ run }: Pick<Database, 'run'>) {
  async function* pagesOf(statement: Statement, start: string): AsyncGenerator<number[]> {
    let cursor = { at: start, status_index: -1 }
    for (;;) {
      const rows = await run<typeof cursor>(statement, [cursor.at, cursor.status_index])
      yield rows.map((row) => row.status_index)
      const last = rows.at(-1)
      if (last === undefined || rows.length < PAGE_ROWS) return
      cursor = last
    }
  }

  return {
    async position(): Promise<Position> {
      const [row] = await run<Position>(positionStatement, [])
      if (!row) throw new Error('the sequence session_status_index is missing: run `npm run migrate`')
      return row
    },

    /** The indexes of all sessions that have ended, in pages; with a horizon, of those that ended since it was read. */
    async *ended(since: string | undefined): AsyncGenerator<number[]> {
      if (since === undefined) return yield* pagesOf(allEndedStatement, 'epoch')
      yield* pagesOf(endedFromStatement, since)
      yield* pagesOf(endedOtherwiseStatement, 'epoch')
    },

    /** About the lowest index in use; undefined when there is no session at all. */
    async lowestIndex(): Promise<number | undefined> {
      const [row] = await run<{ lowest: number | null }>(eldestStatement, [])
      return row?.lowest ?? undefined
    },
  }
}
