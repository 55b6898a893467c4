/** Serves until SIGTERM: configuration → stores → gateway → two listeners → drain. */
import { setTimeout as pause } from 'node:timers/promises'
import { systemClock } from '../clock.ts'
import { type Config, ConfigError, loadConfig, misspeltVariables } from '../config/config.ts'
import { createGateway } from '../gateway.ts'
import { createLog } from '../observability/log.ts'
import { createMetrics } from '../observability/metrics.ts'
import { startTracing } from '../observability/tracing.ts'
import { createUndiciSender } from '../platforms/fetch-json.ts'
import { createRedisCache } from '../storage/cache.redis.ts'
import { createPostgres } from '../storage/database.ts'
import { collectGarbage } from './collect-garbage.ts'
import { type Listener, listen, whyNotListening } from './listeners.ts'

/** What in-flight requests get before they are cut off; preStop and this stay below the pod's grace period. */
const DRAIN_DEADLINE_MS = 15_000

function configOrExit(): Config {
  try {
    return loadConfig()
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    console.error(error.message)
    process.exit(2)
  }
}

const config = configOrExit()
const log = createLog({ level: config.logLevel })
for (const line of misspeltVariables()) log.warn(line)
const metrics = createMetrics({ defaults: true })
const tracing = config.tracing && (await startTracing(config.tracing))
const sender = createUndiciSender({ connections: config.upstreamMaxConcurrency })
const database = createPostgres({
  url: config.databaseUrl,
  poolMax: config.databasePoolMax,
  preparedStatements: config.databasePreparedStatements,
  onError: (error) => log.warn({ error }, 'a PostgreSQL connection broke'),
  span: tracing?.span,
})
const cache = createRedisCache({
  url: config.redisUrl,
  onError: (error) => log.warn({ error }, 'Redis connection'),
  span: tracing?.span,
})
const gateway = await createGateway({
  config,
  database,
  cache,
  send: sender.send,
  clock: systemClock,
  log,
  metrics,
  tracing,
})

/** `variable`: where a port is set, for who finds it taken. */
async function listenOrExit(app: Parameters<typeof listen>[0], at: Config['publicListener'], variable: string) {
  try {
    return await listen(app, at)
  } catch (error) {
    const reason = whyNotListening(error)
    if (reason === undefined) throw error
    console.error(`cannot start: ${reason}; stop it, or set ${variable} to another port`)
    process.exit(1)
  }
}

const listeners: Listener[] = await Promise.all([
  listenOrExit(gateway.publicApp, config.publicListener, 'PORT'),
  listenOrExit(gateway.internalApp, config.internalListener, 'ADMIN_PORT'),
])
log.info({ public: listeners[0]?.url, internal: listeners[1]?.url, issuer: config.issuer }, 'listening')

let stopping = false
async function stop(signal: string): Promise<void> {
  if (stopping) return
  stopping = true
  log.info({ signal }, 'draining')
  gateway.drain()
  await pause(config.shutdownDelaySeconds * 1000)
  await Promise.all(listeners.map((listener) => listener.close(DRAIN_DEADLINE_MS)))
  await Promise.all([gateway.close(), sender.close()])
  await tracing?.close()
  log.info('stopped')
  log.flush(() => process.exit(0))
}
process.on('SIGTERM', (signal) => void stop(signal))
process.on('SIGINT', (signal) => void stop(signal))
process.on('unhandledRejection', (error) => log.error({ error }, 'ALERT: unhandled rejection'))

try {
  await gateway.start()
  if (!stopping) log.info('ready')
  collectGarbage().catch((error: unknown) => log.warn({ error }, 'the memory that starting took was not given back'))
} catch (error) {
  log.fatal({ error }, 'cannot start')
  console.error(`cannot start: ${error instanceof Error ? error.message : 'unknown error'}`)
  log.flush(() => process.exit(1))
}
