/** The progress of an erasure after the user's rows are gone: the picture, what each service confirms, and who is late. */
import type { Config } from '../config/config.ts'
import type { Log } from '../observability/log.ts'
import type { Metrics } from '../observability/metrics.ts'
import type { Database } from '../storage/database.ts'
import { createErasureStore, type ErasureStore } from './erasure-store.ts'

export type Erasures = {
  /** How far an erasure is; undefined when there is none with this receipt. */
  find: ErasureStore['find']
  jobs: { name: string; everyMs: number; run(): Promise<void> }[]
}

export type ErasuresParts = {
  config: Pick<Config, 'erasureOverdueHours'>
  database: Database
  log: Log
  metrics: Pick<Metrics, 'erasuresOverdue'>
}

const LOOK_EVERY_MS = 30_000

export function createErasures({ config, database, log, metrics }: ErasuresParts): Erasures {
  const store = createErasureStore(database)
  const overdueHours = config.erasureOverdueHours
  let said = 0

  /** Said when there are more of them, not at every look. */
  async function tellOverdue(): Promise<void> {
    const overdue = await store.overdue(overdueHours)
    metrics.erasuresOverdue.set(overdue.count)
    if (overdue.count > said)
      log.error(
        { ...overdue, hours: overdueHours },
        'ALERT: erasures are not done everywhere in time: docs/runbook.md#gatewayerasuresoverdue',
      )
    said = overdue.count
  }

  return { find: store.find, jobs: [{ name: 'erasures', everyMs: LOOK_EVERY_MS, run: tellOverdue }] }
}
