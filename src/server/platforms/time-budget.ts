/** The time that one login may take upstream, however many calls it is spent on. */
import { PlatformError } from './platform.ts'

export const WHOLE_TIMEOUT_MS = 3000

export type TimeBudget = {
  /** What is left, for the time limit of a call; throws PlatformError `timeout` when nothing is. */
  leftMs(operation: string): number
  /** What `work` gives, if it comes in time; it goes on for others when it does not. */
  wait<T>(operation: string, work: Promise<T>): Promise<T>
}

export function startTimeBudget(wholeMs = WHOLE_TIMEOUT_MS): TimeBudget {
  const endsAt = performance.now() + wholeMs

  function leftMs(operation: string): number {
    const left = Math.floor(endsAt - performance.now())
    if (left <= 0) throw new PlatformError(operation, 'timeout')
    return left
  }

  return {
    leftMs,
    async wait(operation, work) {
      work.catch(() => undefined)
      let timer: NodeJS.Timeout | undefined
      const late = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new PlatformError(operation, 'timeout')), leftMs(operation))
      })
      try {
        return await Promise.race([work, late])
      } finally {
        clearTimeout(timer)
      }
    },
  }
}
