/** What housekeeping costs those who log in and refresh meanwhile: the same load without and with it, in alternating rounds. */

import { systemClock } from '../src/server/clock.ts'
import { createHousekeeping } from '../src/server/housekeeping/housekeeping.ts'
import { createHousekeepingStore } from '../src/server/housekeeping/store.ts'
import { createPostgres } from '../src/server/storage/database.ts'
import type { Runner } from './runner.ts'
import { measure, type Sample, type Scenario } from './scenarios.ts'
import type { Site } from './site.ts'

const STATES = ['quiet', 'purging'] as const
type State = (typeof STATES)[number]

export type Purge = {
  expired: number
  scenarios: Record<string, Record<State, (Sample | undefined)[]>>
  /** While the load was on. */
  deletedPerSecond: number
  /** Expired sessions still there at the end. */
  left: number
}

type Time = { warmUpSeconds: number; seconds: number; rounds: number }

export async function measurePurge(
  { runner, site, scenarios, expired }: { runner: Runner; site: Site; scenarios: Scenario[]; expired: number },
  time: Time,
  onSample: (text: string) => void,
): Promise<Purge> {
  const purger = createPurger(runner.databaseUrl, site, expired)
  const results: Purge['scenarios'] = {}
  try {
    for (const scenario of scenarios) {
      const rounds: Record<State, (Sample | undefined)[]> = { quiet: [], purging: [] }
      for (let round = 0; round < time.rounds; round += 1) {
        for (const state of round % 2 === 0 ? STATES : STATES.toReversed()) {
          const run = () => measure(scenario, runner, site, time)
          // A window in which the work ran out says nothing.
          const sample = state === 'quiet' ? await run() : await purger.during(run)
          rounds[state].push(sample)
          onSample(
            `${scenario.name}, ${state}: ${sample ? `p99 ${sample.p99Ms.toFixed(1)} ms` : 'nothing left to purge'}`,
          )
        }
      }
      results[scenario.name] = rounds
    }
    const deletedPerSecond = purger.perSecond()
    await purger.finish()
    const [rest] = await site.sql<{ left: number }>(
      runner.databaseUrl,
      `select count(*)::int as left from sessions where idle_expires_at < now() - interval '3 hours'`,
    )
    return { expired, scenarios: results, deletedPerSecond, left: rest?.left ?? Number.NaN }
  } finally {
    await purger.close()
  }
}

/**
 * The gateway's own housekeeping, as a replica of its own: the same steps and pauses, at times that the benchmark chooses. Outside
 * those times the job counts as done, so that the gateways leave it alone.
 */
function createPurger(databaseUrl: string, site: Site, expired: number) {
  const database = createPostgres({ url: databaseUrl, poolMax: 1 })
  const store = createHousekeepingStore(database)
  let deleted = 0
  let seconds = 0
  let finished = false

  function createJob() {
    const job = createHousekeeping({
      store: {
        ...store,
        async deleteSessions(at) {
          const step = await store.deleteSessions(at)
          deleted += step?.deleted ?? 0
          // What then remains of the walk, past the living, deletes nothing.
          finished ||= deleted >= expired || (step?.finished ?? false)
          if (finished) job.stop()
          return step
        },
      },
      clock: systemClock,
      tokenTtlSeconds: 900,
      auditRetentionMonths: 12,
    })
    return job
  }

  async function during<T>(work: () => Promise<T>): Promise<T | undefined> {
    await site.sql(databaseUrl, `update housekeeping set done_at = 'epoch' where job = 'sessions'`)
    const job = createJob()
    const begin = performance.now()
    let wanted = true
    const loop = (async () => {
      while (wanted && !finished) await job.run()
    })()
    const result = await work()
    wanted = false
    job.stop()
    await loop
    seconds += (performance.now() - begin) / 1000
    await site.sql(databaseUrl, `update housekeeping set done_at = now() where job = 'sessions'`)
    return finished ? undefined : result
  }

  return {
    during,
    perSecond: () => deleted / seconds,
    async finish() {
      await during(async () => {
        while (!finished) await new Promise((resolve) => setTimeout(resolve, 50))
      })
    },
    close: () => database.close(),
  }
}
