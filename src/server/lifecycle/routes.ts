/** Probes, and the page that Prometheus reads, on the internal listener. */
import { z } from 'zod'
import type { Clock } from '../clock.ts'
import { type Route, route } from '../http/route.ts'
import type { KeyRing } from '../keys/ring.ts'
import { sampleGauges } from '../observability/gauges.ts'
import type { Metrics } from '../observability/metrics.ts'
import type { Cache } from '../storage/cache.ts'
import type { Database } from '../storage/database.ts'

export type ProbeRoutesParts = {
  /** Why this replica takes no traffic, or undefined when it does. */
  notReady(): string | undefined
  database: Pick<Database, 'available' | 'pool'>
  cache: Pick<Cache, 'available'>
  ring: Pick<KeyRing, 'list'>
  /** How long a signing key signs. */
  rotationSeconds: number
  clock: Clock
  metrics: Metrics
}

const dependency = z.enum(['up', 'down'])
const common = { method: 'get', tag: 'Probes', access: 'public', document: true } as const

export function probeRoutes(parts: ProbeRoutesParts): Route[] {
  const { notReady, database, cache, ring, rotationSeconds, clock, metrics } = parts
  const state = (store: { available(): boolean }) => (store.available() ? 'up' : 'down')
  const dependencies = () => ({ postgres: state(database), redis: state(cache) }) as const
  const sources = { now: () => clock.now(), pool: database.pool, dependencies, keys: ring.list, rotationSeconds }
  return [
    route(
      {
        ...common,
        path: '/livez',
        summary: 'Whether the process answers at all.',
        replies: { 200: { 'application/json': z.object({ status: z.literal('ok') }) } },
      },
      (_, c) => c.json({ status: 'ok' }),
    ),
    route(
      {
        ...common,
        path: '/readyz',
        summary: 'Whether this replica takes traffic; a shared store that is down is named, and takes no replica out.',
        replies: {
          200: {
            'application/json': z.object({
              status: z.literal('ready'),
              dependencies: z.object({ postgres: dependency, redis: dependency }),
            }),
          },
          503: 'Not started yet, or draining; `reason` says which',
        },
      },
      (_, c) => {
        const reason = notReady()
        return reason === undefined
          ? c.json({ status: 'ready', dependencies: dependencies() })
          : c.json({ status: 'not_ready', reason, dependencies: dependencies() }, 503)
      },
    ),
    route(
      { ...common, path: '/metrics', summary: 'Prometheus metrics.', replies: { 200: { 'text/plain': z.string() } } },
      async (_, c) => {
        sampleGauges(metrics, sources)
        return c.body(await metrics.registry.metrics(), 200, { 'Content-Type': metrics.registry.contentType })
      },
    ),
  ]
}
