/** How far this process's clock is from the database's, and whether tokens may still be signed with it (contract section 8). */
import type { Clock } from '../clock.ts'
import type { DatabaseClock } from './database-clock.ts'

export type ClockSkew = {
  /** Seconds by which this process's clock is certainly ahead (behind: below 0); what the measurement leaves open is taken off. */
  seconds(): number
  /** Why this process may not sign now, in an operator's words; undefined when it may. */
  problem(): string | undefined
}

/** `limitSeconds` 0 switches the check off. */
export function createClockSkew(parts: {
  clock: Clock
  databaseClock: DatabaseClock
  limitSeconds: number
}): ClockSkew {
  const { clock, databaseClock, limitSeconds } = parts

  function seconds(): number {
    const errorMs = databaseClock.errorMs()
    if (errorMs === Number.POSITIVE_INFINITY) return 0
    const aheadMs = clock.now().getTime() - databaseClock.now().getTime()
    return (Math.sign(aheadMs) * Math.max(0, Math.abs(aheadMs) - errorMs)) / 1000
  }

  return {
    seconds,
    problem() {
      const skew = limitSeconds === 0 ? 0 : seconds()
      if (Math.abs(skew) <= limitSeconds) return undefined
      return `${describeSkew(skew)}, more than CLOCK_SKEW_LIMIT_SECONDS (${limitSeconds}): this replica signs no tokens until its clock is right`
    },
  }
}

export const describeSkew = (seconds: number): string =>
  `the clock of this replica is ${Math.abs(Math.round(seconds * 10) / 10)} s ${seconds < 0 ? 'behind' : 'ahead of'} the database's`
