/** Pictures that nobody shows any more, from the change that took them away (a trigger writes them) until they are deleted. */
import type { Database, Statement } from '../storage/database.ts'

/** Whoever claims one has until then; after that it is tried again, ever more seldom. */
const claimStatement: Statement = {
  name: 'claim_discarded_pictures',
  text: `
    with due as materialized (
      select url from discarded_pictures where due_at <= clock_timestamp() order by due_at limit $1 for update skip locked
    )
    update discarded_pictures d set
      attempts = attempts + 1, due_at = clock_timestamp() + least(interval '1 minute' * 2 ^ least(attempts, 10), interval '6 hours')
    from due where d.url = due.url
    returning d.url`,
}

const doneStatement: Statement = { name: 'picture_deleted', text: 'delete from discarded_pictures where url = $1' }

const countStatement: Statement = {
  name: 'count_discarded_pictures',
  text: `select count(*)::int as count from discarded_pictures where discarded_at < clock_timestamp() - interval '1 hour'`,
}

export function createDiscardedPictureStore({ run }: Pick<Database, 'run'>) {
  return {
    async claim(limit: number): Promise<string[]> {
      return (await run<{ url: string }>(claimStatement, [limit])).map(({ url }) => url)
    },
    async deleted(url: string): Promise<void> {
      await run(doneStatement, [url])
    },
    /** Those that should have been gone long ago. */
    async late(): Promise<number> {
      const [row] = await run<{ count: number }>(countStatement, [])
      return row?.count ?? 0
    },
  }
}

export type DiscardedPictureStore = ReturnType<typeof createDiscardedPictureStore>
