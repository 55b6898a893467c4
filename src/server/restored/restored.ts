/** Ends again what had ended before the database was put back to an earlier state, as far as this process ended it: nobody comes alive again. */
import type { EndedSession } from '../events/session-ended.ts'
import type { Log } from '../observability/log.ts'
import type { Database } from '../storage/database.ts'
import type { SessionEndReason } from '../storage/schema.ts'
import { createRestoredStore, type KeptEnd } from './store.ts'

export type RestoredParts = {
  database: Pick<Database, 'run'>
  log: Pick<Log, 'error'>
  /** The database server that the status lists were read from last, null before the first time. A restore starts another. */
  server: () => string | null
  /** Milliseconds on a clock that never steps. */
  elapsedMs?: () => number
}

/** In memory alone: what is kept is for a database that comes back minutes behind, and a few megabytes at most. */
const MAX_KEPT = 20_000
const KEEP_MS = 86_400_000
const LOOK_EVERY_MS = 500
const AT_ONCE = 500

export function createRestored({ database, log, server, elapsedMs = () => performance.now() }: RestoredParts) {
  const store = createRestoredStore(database)
  const kept = new Map<string, KeptEnd & { atMs: number }>()
  let settledWith: string | null = null

  function dropOld(): void {
    for (const [sid, { atMs }] of kept) {
      if (kept.size <= MAX_KEPT && atMs > elapsedMs() - KEEP_MS) return
      kept.delete(sid)
    }
  }

  /** Costs nothing while the same server answers. What fails is tried again. */
  async function look(): Promise<void> {
    const now = server()
    if (now === null || now === settledWith) return
    let forgotten = 0
    if (settledWith !== null) {
      dropOld()
      const ends = [...kept.values()]
      for (let at = 0; at < ends.length; at += AT_ONCE) forgotten += await store.endAgain(ends.slice(at, at + AT_ONCE))
    }
    settledWith = now
    if (forgotten > 0)
      log.error({ count: forgotten }, 'ALERT: the database had forgotten that sessions ended; they are ended again')
  }

  return {
    /** A listener to every end, once it is committed. */
    keep(ended: readonly EndedSession[], reason: SessionEndReason): void {
      for (const session of ended) kept.set(session.sid, { ...session, reason, atMs: elapsedMs() })
      dropOld()
    },
    jobs: [{ name: 'restored', everyMs: LOOK_EVERY_MS, run: look }],
  }
}
