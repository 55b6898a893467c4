/** The operators' API without a listener: the command line calls the routes that programs and the console call. */

import { adminAuditRoutes } from '../admin/audit-routes.ts'
import { createAuditStore } from '../admin/audit-store.ts'
import { createAdminStore } from '../admin/store.ts'
import { adminUserRoutes } from '../admin/user-routes.ts'
import { createAudit } from '../audit/audit.ts'
import { createAvatars } from '../avatars/avatars.ts'
import { createDiscardedPictureStore } from '../avatars/store.ts'
import { createClients } from '../clients/clients.ts'
import { loadConfig } from '../config/config.ts'
import { createSealer } from '../crypto/seal.ts'
import { GatewayError } from '../errors.ts'
import { createSessionEnded } from '../events/session-ended.ts'
import { createSessionEvents } from '../events/session-stream.ts'
import { createApp } from '../http/app.ts'
import { createLog } from '../observability/log.ts'
import { createMetrics } from '../observability/metrics.ts'
import { createAfterErase } from '../personal-data/after-erase.ts'
import { createUndiciSender } from '../platforms/fetch-json.ts'
import { createVault } from '../session-key/vault.ts'
import { userSessions } from '../sessions/end-store.ts'
import { createSessionStore } from '../sessions/store.ts'
import { createRedisCache } from '../storage/cache.redis.ts'
import { createPostgres } from '../storage/database.ts'
import { createUserStore } from '../users/store.ts'
import { createUsers } from '../users/users.ts'

/** The envelope of a reply. */
// biome-ignore lint/suspicious/noExplicitAny: each command knows the schema of the route that it asks.
export type ApiReply = { code: string; msg: string; data: any; fields?: Record<string, string> }
export type AskApi = (method: 'GET' | 'POST' | 'PUT' | 'DELETE', path: string, body?: unknown) => Promise<ApiReply>

const CACHE_WAIT_MS = 2000
const CACHE_POLL_MS = 20

/** On the configured stores, for as long as the work takes. Replicas notice ended sessions in the database. */
export async function withOperatorsApi<T>(work: (ask: AskApi) => Promise<T>): Promise<T> {
  const config = loadConfig()
  const { databaseUrl: url, databasePreparedStatements: preparedStatements, issuer } = config
  const database = createPostgres({ url, preparedStatements, poolMax: 2, onError: () => undefined })
  const cache = createRedisCache({ url: config.redisUrl, onError: () => undefined })
  const sender = createUndiciSender({ connections: 1 })
  const { clock } = database
  // What goes wrong beside the act (a picture that stays, a cache that is away) is said; each request is not.
  const log = createLog({ level: 'warn', destination: { write: (line) => void process.stderr.write(line) } })
  const sealer = createSealer(config.encryptionKeys)
  const events = createSessionEvents({
    ...{ cache, clock },
    tokenTtlSeconds: createClients(config).longest.accessTokenSeconds,
    onLost: (error) => log.warn({ error }, 'a session-ended event was lost: the cache is away'),
  })
  const onEnded = createSessionEnded({
    listeners: [events.publish],
    onError: (error) => log.error({ error }, 'the end of a session was not told everywhere'),
  })
  const avatars = await createAvatars({ config: config.avatarStore, issuer, send: sender.send, clock, log })
  const vault = createVault({ cache, sealer, ttlSeconds: config.sessionKeyTtlSeconds })
  const sessionStore = createSessionStore({
    database,
    now: () => clock.now(),
    reuseIntervalSeconds: config.refreshReuseIntervalSeconds,
  })
  const users = createUsers({
    store: createUserStore({ database, userSessions }),
    ...{ clock, onEnded },
    afterErase: createAfterErase({ vault, avatars, discarded: createDiscardedPictureStore(database), log }),
  })
  const audit = createAudit({
    database,
    onError: (error, lost) => log.error({ error, lost }, 'audit events were lost'),
  })
  const app = createApp({
    listener: 'internal',
    routes: [
      ...adminUserRoutes({
        store: createAdminStore(database),
        ...{ users, audit, clock },
        sessions: {
          list: sessionStore.listLive,
          async end(chosen, reason, actor) {
            let count = 0
            await sessionStore.end(chosen, reason, actor, (ended) => {
              count += ended.length
              onEnded(ended, reason)
            })
            return count
          },
        },
      }),
      ...adminAuditRoutes({ store: createAuditStore(database) }),
    ],
    authenticate: {
      async user() {
        throw new GatewayError('A0230')
      },
      service: () => ({ name: 'cli', only: undefined }),
    },
    ...{ log, tracing: undefined, metrics: createMetrics(), trustedProxyHops: 0, webOrigins: [] },
    draining: () => false,
  })
  const ask: AskApi = async (method, path, body) => {
    const sent = body === undefined ? {} : { body: JSON.stringify(body) }
    const headers = { 'accept-language': 'en', ...(body === undefined ? {} : { 'content-type': 'application/json' }) }
    return (await (await app.request(path, { method, headers, ...sent })).json()) as ApiReply
  }
  try {
    await clock.measure()
    for (let waited = 0; !cache.available() && waited < CACHE_WAIT_MS; waited += CACHE_POLL_MS)
      await new Promise((resolve) => setTimeout(resolve, CACHE_POLL_MS))
    return await work(ask)
  } finally {
    await Promise.all([events.stop(), audit.flush()])
    await Promise.all([database.close(), cache.close(), sender.close()])
  }
}
