/** Which sessions have ended and which lists still have sessions, as PostgreSQL knows it. */
import type { Database, Statement } from '../storage/database.ts'

/** Rows of one read: parsing more of them at once would hold the event loop for too long. */
const PAGE_ROWS = 2000
/** Sessions looked at for the oldest index; ids sort by time (UUID version 7), indexes nearly so. */
const ELDEST_ROWS = 1000

/** Keyset pages on the partial index sessions_ended. The cursor stays text: a Date would cut off microseconds. */
const endedStatement: Statement = {
  name: 'ended_sessions',
  text: `
    select status_index, ended_at::text as at from sessions
    where ended_at >= $1::timestamptz and (ended_at, status_index) > ($1::timestamptz, $2::bigint)
    order by ended_at, status_index limit ${PAGE_ROWS}`,
}

/** `is_called` tells whether `last_value` was handed out, or will be the first to be. */
const newestStatement: Statement = {
  name: 'newest_status_index',
  text: 'select last_value + is_called::int as next from session_status_index',
}

const eldestStatement: Statement = {
  name: 'eldest_status_index',
  text: `select min(status_index) as lowest from
    (select status_index from sessions order by id limit ${ELDEST_ROWS}) as eldest`,
}

export type StatusStore = ReturnType<typeof createStatusStore>

export function createStatusStore({ run }: Pick<Database, 'run'>) {
  return {
    /** The indexes of sessions that ended at or after `since`, in pages. */
    async *endedSince(since: Date): AsyncGenerator<number[]> {
      let cursor = { at: since.toISOString(), status_index: -1 }
      for (;;) {
        const rows = await run<typeof cursor>(endedStatement, [cursor.at, cursor.status_index])
        yield rows.map((row) => row.status_index)
        const last = rows.at(-1)
        if (last === undefined || rows.length < PAGE_ROWS) return
        cursor = last
      }
    },

    /** The index that the next session gets. */
    async nextIndex(): Promise<number> {
      const [row] = await run<{ next: number }>(newestStatement, [])
      return row?.next ?? 0
    },

    /** About the lowest index in use; undefined when there is no session at all. */
    async lowestIndex(): Promise<number | undefined> {
      const [row] = await run<{ lowest: number | null }>(eldestStatement, [])
      return row?.lowest ?? undefined
    },
  }
}
