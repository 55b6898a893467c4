/** The time that one act may take upstream, however many calls it is spent on. */
import { PlatformError } from './platform.ts'

export const WHOLE_TIMEOUT_MS = 3000

export type TimeBudget = {
  spentMs(): number
  /** What is left, for the time limit of a call; throws PlatformError `timeout` when nothing is. */
  leftMs(operation: string): number
  /** What `work` gives, if it comes in time; it goes on for others when it does not. */
  wait<T>(operation: string, work: Promise<T>): Promise<T>
}

export function startTimeBudget(wholeMs = WHOLE_TIMEOUT_MS): TimeBudget {
  const startedAt = performance.now()
  const spentMs = () => performance.now() - startedAt

  function leftMs(operation: string): number {
    const left = Math.floor(wholeMs - spentMs())
    if (left <= 0) throw new PlatformError(operation, 'timeout')
    return left
  }

  return {
    spentMs,
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
