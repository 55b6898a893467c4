/** What faults excuse, asked by the users and at the end of the run. */

import type { Fault } from './faults.ts'
import type { Excuses } from './users.ts'

/** An answer from before may still be on its way when the fault is over. */
const GRACE_MS = 1000
/** A process may take this long to see that its clock is right again. */
const CLOCK_GRACE_MS = 2000

export function createExcuses(faults: () => readonly Fault[]): Excuses {
  const putBackFor = (at: number) =>
    faults().find(
      ({ copiedAt, restoredAt = Number.POSITIVE_INFINITY }) =>
        copiedAt !== undefined && at >= copiedAt && at < restoredAt + GRACE_MS,
    )

  return {
    mayBeGone: (at) => putBackFor(at) !== undefined,
    mayLiveAgain({ endedAt, endedUnseen }) {
      const putBack = endedAt === undefined ? undefined : putBackFor(endedAt)
      if (!putBack) return false
      return endedUnseen === true || performance.now() < putBack.endedAt + GRACE_MS
    },
    wrongClock: ({ replica, startedAt, tookMs }) =>
      faults().some(
        (fault) =>
          fault.kind === 'replica clock wrong' &&
          fault.replica === replica &&
          fault.startedAt <= startedAt + tookMs &&
          fault.endedAt + CLOCK_GRACE_MS >= startedAt,
      ),
  }
}
