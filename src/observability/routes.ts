/** Liveness and readiness. An outage of a shared store is reported, but never takes every replica out of rotation at once. */
import { Hono } from 'hono'

export type DependencyState = 'up' | 'down' | 'unknown'

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
