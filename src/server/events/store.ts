/** The ends of sessions that the database brought about by itself, in PostgreSQL, until somebody has told of them. */
import type { Database, Statement } from '../storage/database.ts'
import type { EndedSession } from './session-ended.ts'

/** Each end goes to one replica. */
const takeChildEndsStatement: Statement = {
  name: 'take_child_ends',
  text: `
    delete from child_ends where session_id in (
      select session_id from child_ends order by ended_at limit $1 for update skip locked
    )
    returning session_id as sid, user_id as "userId", status_index::float8 as "statusIndex", appid`,
}

export type ChildEndStore = ReturnType<typeof createChildEndStore>

export const createChildEndStore = ({ run }: Pick<Database, 'run'>) => ({
  take: (limit: number) => run<EndedSession>(takeChildEndsStatement, [limit]),
})
