/** How a gateway begins and ends: it waits for its schema and keys, runs the timed tasks, drains, and closes what it opened. */
import { setTimeout as pause } from 'node:timers/promises'
import type { Audit } from '../audit/audit.ts'
import type { Clock } from '../clock.ts'
import type { SessionEvents } from '../events/session-stream.ts'
import type { Housekeeping } from '../housekeeping/housekeeping.ts'
import type { Route } from '../http/route.ts'
import type { KeyRing } from '../keys/ring.ts'
import type { Log } from '../observability/log.ts'
import type { Metrics } from '../observability/metrics.ts'
import type { StatusLists } from '../revocation/publisher.ts'
import type { Cache } from '../storage/cache.ts'
import { type ClockSkew, describeSkew } from '../storage/clock-skew.ts'
import type { Database } from '../storage/database.ts'
import { pendingMigrations } from '../storage/migrate.ts'
import { isDatabaseUnavailable } from '../storage/sqlstate.ts'
import { type Background, type Job, type RunningJobs, startJobs } from './jobs.ts'
import { probeRoutes } from './routes.ts'

export type Lifecycle = {
  /** Waits for PostgreSQL and for its schema as long as it takes, loads what is served from memory, starts the timed tasks. */
  start(): Promise<void>
  /** From now on not ready; what is in flight goes on. */
  drain(): void
  draining(): boolean
  /** Probes and metrics. */
  routes: Route[]
  close(): Promise<void>
}

export type LifecycleParts = {
  database: Database
  cache: Cache
  clock: Clock
  skew: ClockSkew
  log: Log
  metrics: Metrics
  ring: KeyRing
  /** How long a signing key signs. */
  rotationSeconds: number
  statusLists: StatusLists
  housekeeping: Housekeeping
  audit: Audit
  sessionEvents: SessionEvents
  /** Of optional parts; undefined where one is off. */
  background: readonly (Background | undefined)[]
}

const START_RETRY_MS = 500
const CACHE_WAIT_MS = 1000
const CACHE_POLL_MS = 20
const PROBE_MS = 5000
/** Beyond this the clock is reported as wrong. */
const REPORTED_SKEW_SECONDS = 5

export function createLifecycle(parts: LifecycleParts): Lifecycle {
  const { database, cache, clock, skew, log, metrics, ring, statusLists, housekeeping, audit, sessionEvents } = parts
  const background = parts.background.filter((one) => one !== undefined)
  let draining = false
  let running: RunningJobs | undefined

  /** Asks, so that an outage is noticed while nobody else does. */
  async function probeDependencies(): Promise<void> {
    await Promise.all([database.clock.measure(), cache.get('ping')])
    reportSkew()
  }
  let skewReported = false
  /** Logged when it begins and when it is over. */
  function reportSkew(): void {
    const seconds = skew.seconds()
    metrics.clockSkew.set(seconds)
    const wrong = Math.abs(seconds) > REPORTED_SKEW_SECONDS
    if (wrong !== skewReported) {
      if (wrong) log.error({ skewSeconds: seconds }, `ALERT: ${skew.problem() ?? describeSkew(seconds)}. Fix NTP`)
      else log.info({ skewSeconds: seconds }, 'the clock of this replica is right again')
    }
    skewReported = wrong
  }

  async function pollStatusLists(): Promise<void> {
    try {
      await statusLists.poll()
    } finally {
      metrics.statusListAge.set(statusLists.ageSeconds())
    }
  }
  /** What is deleted is gone: the time is asked for anew, not remembered. */
  async function removeWhatIsOver(): Promise<void> {
    await database.clock.measure()
    await housekeeping.run()
  }

  async function tickKeys(): Promise<void> {
    await database.clock.measure()
    await ring.tick()
  }

  const jobs: Job[] = [
    { name: 'signing-keys', everyMs: ring.tickEveryMs, run: tickKeys },
    { name: 'dependency-probe', everyMs: PROBE_MS, run: probeDependencies },
    { name: 'status-lists', everyMs: statusLists.pollEveryMs, run: pollStatusLists },
    { name: 'housekeeping', everyMs: housekeeping.everyMs, run: removeWhatIsOver },
    ...background.flatMap((one) => one.jobs),
  ]

  let waiting: string | undefined
  let said: string | undefined

  /** True when all is loaded. */
  async function load(): Promise<boolean> {
    try {
      const pending = await pendingMigrations(database.kysely)
      if (pending.length > 0) {
        return waits('waiting for the database schema: run `npm run migrate`', { pending })
      }
      await tickKeys()
      reportSkew()
      await pollStatusLists()
      for (const { prepare } of background) await prepare?.()
      return true
    } catch (error) {
      if (!isDatabaseUnavailable(error)) throw error
      return waits('waiting for PostgreSQL', { error })
    }
  }

  /** Said once, not at every try. */
  function waits(what: string, details: { pending: string[] } | { error: unknown }): false {
    const news = 'error' in details && details.error instanceof Error ? `${what}: ${details.error.message}` : what
    if (said !== news) log.warn(details, what)
    said = news
    waiting = what
    return false
  }

  /** Why this replica takes no traffic, or undefined when it does. */
  function notReady(): string | undefined {
    if (draining) return 'draining'
    if (!ring.ready()) return waiting ?? 'signing keys are not loaded yet'
    const problem = skew.problem()
    if (problem) return problem
    return statusLists.ready() ? undefined : 'status lists are not loaded yet'
  }

  return {
    async start() {
      while (!draining && !(await load())) await pause(START_RETRY_MS)
      // SIGTERM came while the database was away: there is nothing to start.
      if (draining) return
      // A moment for the cache to connect, so that the first codes are claimed like any other; without it logins work all the same.
      for (let waitedMs = 0; !cache.available() && waitedMs < CACHE_WAIT_MS; waitedMs += CACHE_POLL_MS)
        await pause(CACHE_POLL_MS)
      running = startJobs({
        jobs,
        onSuccess: (job) => metrics.jobSuccess.set({ task: job }, clock.now().getTime() / 1000),
        onError: (job, error) => log.error({ job, error }, 'job failed'),
      })
    },
    drain() {
      draining = true
      for (const one of background) one.drain?.()
    },
    draining: () => draining,
    routes: probeRoutes({ ...parts, notReady }),
    async close() {
      statusLists.stop()
      housekeeping.stop()
      await running?.stop()
      await Promise.all(background.map(({ stop }) => stop?.()))
      await Promise.all([audit.flush(), sessionEvents.stop()])
      await Promise.all([database.close(), cache.close()])
    },
  }
}
