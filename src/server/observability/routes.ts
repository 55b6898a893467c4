/** Probes, and the page that Prometheus reads, on the internal listener. */
import { Hono } from 'hono'
import { z } from 'zod'
import { type DependencyState, type GaugeSources, sampleGauges } from './gauges.ts'
import type { Metrics } from './metrics.ts'

export type Health = {
  /** Why this replica takes no traffic, or undefined when it does. */
  notReady(): string | undefined
  dependencies(): Record<string, DependencyState>
}

export function healthRoutes({ notReady, dependencies }: Health): Hono {
  const app = new Hono()
  app.get('/livez', (c) => c.json({ status: 'ok' }))
  app.get('/readyz', (c) => {
    const reason = notReady()
    return c.json(
      {
        status: reason === undefined ? 'ready' : 'not_ready',
        ...(reason === undefined ? {} : { reason }),
        dependencies: dependencies(),
      },
      reason === undefined ? 200 : 503,
    )
  })
  return app
}

export function metricsRoutes({ metrics, sources }: { metrics: Metrics; sources: GaugeSources }): Hono {
  const app = new Hono()
  app.get('/metrics', async (c) => {
    sampleGauges(metrics, sources)
    return c.body(await metrics.registry.metrics(), 200, { 'Content-Type': metrics.registry.contentType })
  })
  return app
}

const dependency = z.enum(['up', 'down'])

/** The same for the API description. */
export const probeDocuments = [
  {
    method: 'get',
    path: '/livez',
    tag: 'Probes',
    summary: 'Whether the process answers at all.',
    access: 'public',
    contentType: 'application/json',
    reply: z.object({ status: z.literal('ok') }),
  },
  {
    method: 'get',
    path: '/readyz',
    tag: 'Probes',
    summary: 'Whether this replica takes traffic; a shared store that is down is named, and takes no replica out.',
    access: 'public',
    contentType: 'application/json',
    reply: z.object({
      status: z.literal('ready'),
      dependencies: z.object({ postgres: dependency, redis: dependency }),
    }),
    alsoAnswers: { 503: 'Not started yet, or draining; `reason` says which' },
  },
  {
    method: 'get',
    path: '/metrics',
    tag: 'Probes',
    summary: 'Prometheus metrics.',
    access: 'public',
    contentType: 'text/plain',
    reply: z.string(),
  },
] as const
