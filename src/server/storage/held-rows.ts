/**
 * A row that another transaction holds delays those who need it, and nobody else: a statement passes over it, or waits for a moment,
 * and whoever needs it asks again, with no connection in hand meanwhile.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { type RawBuilder, sql } from 'kysely'
import { RowHeld } from './sqlstate.ts'

/** Well under the time limit of a statement. */
const PATIENCE_MS = 2500
const FIRST_PAUSE_MS = 5
const LONGEST_PAUSE_MS = 200

/** How long a statement for many waits for what it cannot pass over (an insert of the same key that is not committed yet). */
const BATCH_WAIT_MS = 250
/** How long one waits that did not look in advance whether a row is held: longer than a statement of another replica takes. */
const FIRST_WAIT_MS = 25
/** How long a statement for one waits before it gives its connection back. */
const ALONE_WAIT_MS = 50

const limitText = (ms: number) => `(select set_config('lock_timeout', '${ms}', true)) as lock_limit`
/** Joined to the first rows that a statement reads, it limits each wait of that statement for a lock; works through a pooler too. */
export const batchLockLimit = limitText(BATCH_WAIT_MS)
export const firstLockLimit = limitText(FIRST_WAIT_MS)
export const lockLimit = limitText(ALONE_WAIT_MS)
/** The same as a condition, for a statement that is built. */
export const withinLockLimit: RawBuilder<boolean> = sql<boolean>`(select set_config('lock_timeout', ${sql.lit(String(ALONE_WAIT_MS))}, true)) is not null`

/** How to ask for what a row is needed for; `held` when somebody else has it. Throws RowHeld when it waited for too long. */
export type Ask<Result> = () => Promise<Result | 'held'>

/**
 * Asks until the row is free; throws RowHeld when that takes too long. `alone` is asked instead once a wait was too long for others.
 * Of those who need one row, one asks at a time.
 */
export type Patiently = <Result>(key: string, ask: Ask<Result>, alone?: Ask<Result>) => Promise<Exclude<Result, 'held'>>

export function createPatience(): Patiently {
  const known = new Map<string, Promise<void>>()

  return async <Result>(key: string, ask: Ask<Result>, alone: Ask<Result> = ask) => {
    let deadline: number | undefined
    let next = ask
    let settle: (() => void) | undefined
    async function tryOnce(): Promise<Result | 'held'> {
      try {
        return await next()
      } catch (error) {
        if (!(error instanceof RowHeld)) throw error
        next = alone
        return 'held'
      }
    }
    try {
      for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
        for (let other = known.get(key); !settle && other; other = known.get(key)) {
          deadline ??= performance.now() + PATIENCE_MS
          await other
        }
        if (deadline !== undefined && performance.now() > deadline) throw new RowHeld()
        const result = await tryOnce()
        if (result !== 'held') return result as Exclude<Result, 'held'>
        deadline ??= performance.now() + PATIENCE_MS
        if (!settle && known.has(key)) continue
        if (!settle) known.set(key, new Promise((resolve) => (settle = resolve)))
        await pause(pauseMs)
      }
    } finally {
      if (settle) {
        known.delete(key)
        settle()
      }
    }
  }
}
