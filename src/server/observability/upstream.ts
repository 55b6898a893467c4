/** What is told of calls to platforms: each is counted and timed, and an operator hears when they are held back. */
import type { Log } from './log.ts'
import type { Metrics } from './metrics.ts'

export function observeUpstream({ platform, metrics, log }: { platform: string; metrics: Metrics; log: Log }) {
  // From the start, so that an alert knows the series before anything went wrong.
  metrics.breakerOpen.set({ dependency: platform }, 0)
  return {
    onCall(operation: string, outcome: string, seconds: number): void {
      metrics.upstream.inc({ platform, operation, outcome })
      if (outcome !== 'busy') metrics.upstreamSeconds.observe({ platform, operation }, seconds)
    },
    onBreaker(open: boolean): void {
      metrics.breakerOpen.set({ dependency: platform }, open ? 1 : 0)
      if (open) log.error({ platform }, 'ALERT: the platform keeps failing, calls are held back')
      else log.warn({ platform }, 'the platform answers again')
    },
  }
}
