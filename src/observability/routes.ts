/** The page that Prometheus reads, on the internal listener. */
import { Hono } from 'hono'
import { type GaugeSources, sampleGauges } from './gauges.ts'
import type { Metrics } from './metrics.ts'

export function metricsRoutes({ metrics, sources }: { metrics: Metrics; sources: GaugeSources }): Hono {
  const app = new Hono()
  app.get('/metrics', async (c) => {
    sampleGauges(metrics, sources)
    return c.body(await metrics.registry.metrics(), 200, { 'Content-Type': metrics.registry.contentType })
  })
  return app
}
