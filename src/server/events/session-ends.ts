/** Whoever is told of sessions that ended, put together: the count, the status lists and the stream; and the ends that no request made. */
import type { Clock } from '../clock.ts'
import type { Log } from '../observability/log.ts'
import type { Metrics } from '../observability/metrics.ts'
import type { Cache } from '../storage/cache.ts'
import type { Database } from '../storage/database.ts'
import { createChildEnds } from './child-ends.ts'
import { createSessionEnded, type OnSessionsEnded } from './session-ended.ts'
import { createSessionEvents } from './session-stream.ts'
import { createChildEndStore } from './store.ts'

export type SessionEndsParts = {
  database: Pick<Database, 'run'>
  cache: Cache
  clock: Clock
  metrics: Pick<Metrics, 'sessionsEnded'>
  log: Log
  tokenTtlSeconds: number
  /** Sets the bits of the status lists that this replica serves. */
  markEnded: (statusIndexes: readonly number[]) => void
  /** Keeps them, in case the database is put back to an earlier state. */
  keep: OnSessionsEnded
}

export function createSessionEnds({ database, metrics, log, markEnded, keep, ...parts }: SessionEndsParts) {
  const sessionEvents = createSessionEvents({
    ...parts,
    onLost: (error) => log.warn({ error }, 'a session-ended event was lost: the cache is away'),
  })
  const onSessionsEnded = createSessionEnded({
    listeners: [
      (ended, reason) => metrics.sessionsEnded.inc({ reason }, ended.length),
      (ended) => markEnded(ended.map((session) => session.statusIndex)),
      sessionEvents.publish,
      keep,
    ],
    onError: (error) => log.error({ error }, 'the end of a session was not told everywhere'),
  })
  const childEnds = createChildEnds({ store: createChildEndStore(database), onEnded: onSessionsEnded })
  return { sessionEvents, onSessionsEnded, childEnds }
}
