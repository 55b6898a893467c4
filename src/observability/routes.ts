/** Probes, and the page that Prometheus reads, on the internal listener. */
import { Hono } from 'hono'
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
