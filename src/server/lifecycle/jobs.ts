/** Timed tasks of one process: each runs again after its pause, whether it succeeded or not, until it is stopped. */
import { setTimeout as pause } from 'node:timers/promises'

export type Job = { name: string; everyMs: number; run(): Promise<void> }

/** What an optional capability does beside answering requests. */
export type Background = {
  /** Before the first request is served. */
  prepare?(): Promise<void>
  jobs: readonly Job[]
  /** No new work is taken; whoever waits is answered. */
  drain?(): void
  /** Ends what is under way, before the stores are closed. */
  stop?(): Promise<void>
}

export type RunningJobs = { stop(): Promise<void> }

export type JobsParts = {
  jobs: readonly Job[]
  onSuccess: (name: string) => void
  onError: (name: string, error: unknown) => void
}

export function startJobs({ jobs, onSuccess, onError }: JobsParts): RunningJobs {
  const stopping = new AbortController()

  async function loop(job: Job): Promise<void> {
    while (!stopping.signal.aborted) {
      await pause(job.everyMs, undefined, { signal: stopping.signal, ref: false }).catch(() => undefined)
      if (stopping.signal.aborted) return
      try {
        await job.run()
        onSuccess(job.name)
      } catch (error) {
        onError(job.name, error)
      }
    }
  }
  const loops = jobs.map(loop)

  return {
    async stop() {
      stopping.abort()
      await Promise.all(loops)
    },
  }
}
