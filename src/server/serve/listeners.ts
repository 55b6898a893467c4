/** Two HTTP servers, and how they end: first not ready, then no new connections, then nothing left in flight. */
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createAdaptorServer } from '@hono/node-server'

type App = { fetch: (request: Request, env: object) => Response | Promise<Response> }

export type Listener = {
  /** With the port the system chose when 0 was asked for. */
  url: string
  /** Takes no new connection and waits for what is in flight; after `deadlineMs` it is cut off. */
  close(deadlineMs: number): Promise<void>
}

/** Longer than the idle limit of common load balancers (60 s), so that they close first and never meet a closed connection. */
const KEEP_ALIVE_MS = 75_000

/** How long a client may take to send the headers, and all of a request. */
const TIME_LIMITS = { headersTimeout: 10_000, requestTimeout: 15_000 }
/** Node looks for those that are over time only every 30 s by itself: so long they would keep their connection. */
const LOOK_EVERY_MS = 1000

export async function listen(
  app: App,
  { host, port }: { host: string; port: number },
  limits = TIME_LIMITS,
): Promise<Listener> {
  const server = createAdaptorServer({
    fetch: app.fetch,
    // For HTTP/1.0 without a Host, as some balancers check health; nothing is ever derived from it.
    hostname: 'localhost',
    serverOptions: { keepAliveTimeout: KEEP_ALIVE_MS, connectionsCheckingInterval: LOOK_EVERY_MS, ...limits },
  }) as Server
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, resolve)
  })
  const address = server.address() as AddressInfo
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${address.port}`,
    close: (deadlineMs) =>
      new Promise((resolve) => {
        const timer = setTimeout(() => server.closeAllConnections(), deadlineMs)
        const sweep = setInterval(() => server.closeIdleConnections(), 50)
        server.close(() => {
          clearTimeout(timer)
          clearInterval(sweep)
          resolve()
        })
      }),
  }
}

/** Why `listen` failed, for who has to mend it; undefined when the error is of another kind. */
export function whyNotListening(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error) || !('port' in error)) return undefined
  if (error.code === 'EADDRINUSE') return `port ${error.port} is in use by another program`
  if (error.code === 'EACCES') return `port ${error.port} is not for this user`
  if (error.code === 'EADDRNOTAVAIL' && 'address' in error) return `${error.address} is no address of this machine`
  return undefined
}
