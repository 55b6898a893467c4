/** Operators on one replica and what it depends on: stores, clocks, platforms, jobs; from memory, so that it answers in an outage. */
import { hostname } from 'node:os'
import { z } from 'zod'
import type { Clock } from '../clock.ts'
import { type Route, route } from '../http/route.ts'
import type { Metrics } from '../observability/metrics.ts'
import type { Cache } from '../storage/cache.ts'
import type { ClockSkew } from '../storage/clock-skew.ts'
import type { Database } from '../storage/database.ts'
import type { CountsStore } from './counts-store.ts'

export type HealthRoutesParts = {
  counts: CountsStore
  database: Pick<Database, 'available' | 'pool' | 'clock'>
  cache: Pick<Cache, 'available'>
  clock: Clock
  skew: ClockSkew
  metrics: Pick<Metrics, 'breakerOpen' | 'upstream' | 'jobSuccess' | 'statusListAge'>
}

const store = z.enum(['up', 'down'])
const count = z.object({ count: z.number().int(), estimated: z.boolean() })

const healthSchema = z
  .object({
    replica: z.string().describe('The host name of the replica that answers: each sees for itself.'),
    stores: z.object({ postgres: store, redis: store }),
    pool: z.object({ total: z.number().int(), idle: z.number().int(), waiting: z.number().int() }),
    clock: z.object({
      process_time: z.date(),
      database_time: z.date().nullable().describe('null while it was never asked.'),
      ahead_seconds: z.number().describe('How far this process is certainly ahead; behind: below 0.'),
      problem: z.string().nullable(),
    }),
    platforms: z.array(
      z.object({
        platform: z.string(),
        held_back: z.boolean().describe('It keeps failing, and calls to it are held back.'),
        calls: z.number().int().describe('Since this replica started.'),
        failed: z.number().int().describe('Of these without an answer in the platform’s form, or with an error code.'),
      }),
    ),
    status_list_age_seconds: z.number(),
    jobs: z.array(z.object({ job: z.string(), last_success_at: z.date() })),
  })
  .meta({ id: 'Health' })

export function adminHealthRoutes(parts: HealthRoutesParts): Route[] {
  const { counts, database, cache, clock, skew, metrics } = parts
  const state = (one: { available(): boolean }): 'up' | 'down' => (one.available() ? 'up' : 'down')
  const common = { method: 'get', tag: 'Operators: health', access: 'admin-read' } as const

  async function platforms() {
    const calls = (await metrics.upstream.get()).values
    return (await metrics.breakerOpen.get()).values.map(({ labels, value }) => {
      const own = calls.filter((one) => one.labels.platform === labels.dependency)
      const sum = (some: typeof own) => some.reduce((total, one) => total + one.value, 0)
      return {
        platform: String(labels.dependency),
        held_back: value === 1,
        calls: sum(own),
        failed: sum(own.filter((one) => one.labels.outcome !== 'ok')),
      }
    })
  }

  return [
    route(
      {
        ...common,
        path: '/admin/health',
        summary: 'Stores, clocks, platforms and jobs as the replica that answers sees them.',
        reply: healthSchema,
      },
      async () => {
        const known = database.clock.errorMs() < Number.POSITIVE_INFINITY
        const jobs = (await metrics.jobSuccess.get()).values
        return {
          replica: hostname(),
          stores: { postgres: state(database), redis: state(cache) },
          pool: database.pool(),
          clock: {
            process_time: clock.now(),
            database_time: known ? database.clock.now() : null,
            ahead_seconds: skew.seconds(),
            problem: skew.problem() ?? null,
          },
          platforms: await platforms(),
          status_list_age_seconds: (await metrics.statusListAge.get()).values[0]?.value ?? 0,
          jobs: jobs.map(({ labels, value }) => ({
            job: String(labels.task),
            last_success_at: new Date(value * 1000),
          })),
        }
      },
    ),
    route(
      {
        ...common,
        path: '/admin/counts',
        summary:
          'How many users there are by status, and live sessions: counted while that is cheap, estimated beyond.',
        reply: z.object({ users: z.object({ active: count, suspended: count, erased: count }), live_sessions: count }),
      },
      async () => ({ users: await counts.users(), live_sessions: await counts.liveSessions() }),
    ),
  ]
}
