/** Routes as one listener serves them, without a gateway around: for tests of a room's routes alone. */
import { createApp, type HttpApp } from '../../server/http/app.ts'
import type { Authenticate } from '../../server/http/auth.ts'
import type { Route } from '../../server/http/route.ts'
import { createLog } from '../../server/observability/log.ts'
import { createMetrics } from '../../server/observability/metrics.ts'

export type ServedRoutes = { app: HttpApp; logs(): string }

const nobody = () => {
  throw new Error('nobody calls')
}

export function serveRoutes(routes: readonly Route[], authenticate: Partial<Authenticate> = {}): ServedRoutes {
  const lines: string[] = []
  const app = createApp({
    listener: 'public',
    routes,
    authenticate: { user: nobody, service: nobody, ...authenticate },
    tracing: undefined,
    log: createLog({ level: 'info', destination: { write: (line: string) => void lines.push(line) } }),
    metrics: createMetrics(),
    webOrigins: [],
    trustedProxyHops: 0,
    draining: () => false,
  })
  return { app, logs: () => lines.join('') }
}
