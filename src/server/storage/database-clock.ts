/** The database's time: measured now and then, and carried on by the monotonic clock, so that no replica's own clock decides what is shared. */
import type { Clock } from '../clock.ts'
import { DatabaseUnavailable } from './sqlstate.ts'

export type DatabaseClock = Clock & {
  /** Asks the database once. Throws as the query does. */
  measure(): Promise<void>
  /** How far the measurement may be off, in milliseconds: half of the way there and back. */
  errorMs(): number
}

export type DatabaseClockParts = {
  /** The database's time in milliseconds since 1970. */
  ask: () => Promise<number>
  /** Milliseconds on a clock that never steps. */
  elapsedMs?: () => number
}

/** Two monotonic clocks drift apart by less than this much. */
const DRIFT = 0.0005

export function createDatabaseClock({ ask, elapsedMs = () => performance.now() }: DatabaseClockParts): DatabaseClock {
  let best: { offsetMs: number; errorMs: number; atMs: number } | undefined

  return {
    now() {
      // Before the first answer nothing that hangs on the time may be done.
      if (!best) throw new DatabaseUnavailable('its time is not known yet')
      return new Date(elapsedMs() + best.offsetMs)
    },
    async measure() {
      const before = elapsedMs()
      const answer = await ask()
      const after = elapsedMs()
      const measured = { offsetMs: answer - (before + after) / 2, errorMs: (after - before) / 2, atMs: after }
      const kept = best && best.errorMs + (after - best.atMs) * DRIFT
      // An answer that took long tells less than a quick one of a while ago, unless the two contradict each other.
      const tellsMore = kept === undefined || measured.errorMs <= kept
      const contradicts =
        best && kept !== undefined && Math.abs(measured.offsetMs - best.offsetMs) > measured.errorMs + kept
      if (tellsMore || contradicts) best = measured
    },
    errorMs: () => best?.errorMs ?? Number.POSITIVE_INFINITY,
  }
}
