/** The connection behind the cache, to one server, a Sentinel's master or a Cluster; each refuses at once what would have to wait. */
import { Cluster, Command, Redis, type RedisCommander } from 'ioredis'
import { parseRedisUrl, type RedisTarget, redisUrlForms } from '../config/redis-url.ts'

const COMMAND_TIMEOUT_MS = 500
const CONNECT_TIMEOUT_MS = 1000
const WATCH_MS = 50
const MAX_RECONNECT_DELAY_MS = 1000
/** How often one command may try a part of the Cluster that did not answer, on behalf of all. */
const SHARD_RETRY_MS = 250

export type RedisConnection = {
  client: RedisCommander & (Redis | Cluster)
  /** Runs one command that touches this key alone (the Cluster's rule); rejects at once while its server is known to be away. */
  run<T>(key: string, command: () => Promise<T>): Promise<T>
  available(): boolean
  close(): void
}

export type RedisConnectionOptions = { url: string; keyPrefix: string; onError?: ((error: Error) => void) | undefined }

export function connectRedis({ url, keyPrefix, onError }: RedisConnectionOptions): RedisConnection {
  const target = parseRedisUrl(url)
  if (!target) throw new Error(`REDIS_URL ${redisUrlForms}`)
  const connection = target.kind === 'cluster' ? connectCluster(target, keyPrefix) : connectMaster(target, keyPrefix)
  connection.client.on('error', (error: Error) => onError?.(error))
  let closed = false
  return {
    ...connection,
    // Once: several who share a cache may close it, and ioredis adds a listener to the socket each time.
    close() {
      if (!closed) connection.close()
      closed = true
    },
  }
}

const backOff = (attempt: number) => Math.min(50 * 2 ** Math.min(attempt, 10), MAX_RECONNECT_DELAY_MS)

const timeLimits = {
  connectTimeout: CONNECT_TIMEOUT_MS,
  // A frozen server never says goodbye: the socket is not kept open to wait for it.
  disconnectTimeout: 1,
  // RESP2 costs a quarter less to read, and every proxy speaks it.
  protocol: 2 as const,
}

function connectMaster(target: Exclude<RedisTarget, { kind: 'cluster' }>, keyPrefix: string): RedisConnection {
  let dropping = false
  const options = {
    ...timeLimits,
    keyPrefix,
    enableAutoPipelining: true,
    // Nothing waits in a queue for a server that is away: the caller decides what to do without it.
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    retryStrategy: backOff,
    // A master that was demoted: who asks again, by name or by address, finds the new one.
    reconnectOnError(error: Error) {
      if (dropping || !error.message.startsWith('READONLY')) return false
      // Once: ioredis adds a listener to the socket each time, and everything under way is refused alike.
      dropping = true
      return true
    },
  }
  const client =
    target.kind === 'server' ? new Redis(target.url, options) : new Redis({ ...options, ...sentinelOptions(target) })
  /**
   * One watch instead of a timer a command: while anything is asked, an answer must come within the time limit. A server that gives
   * none is frozen: the connection is dropped, which refuses what waits on it and, until it answers again, what follows.
   */
  let asked = 0
  let answeredAt = 0
  const watch = setInterval(() => {
    if (asked > 0 && connected() && performance.now() - answeredAt > COMMAND_TIMEOUT_MS) {
      dropping = true
      client.disconnect(true)
    }
  }, WATCH_MS)
  watch.unref()
  // A killed server is noticed by the command that fails, before the connection says that it is closed.
  let answered = false
  let unanswered: NodeJS.Timeout | undefined
  client.on('connect', () => {
    // Behind an open port a frozen server says nothing; asking for the master again may lead to another one.
    unanswered = setTimeout(() => client.disconnect(true), CONNECT_TIMEOUT_MS)
  })
  client.on('ready', () => {
    clearTimeout(unanswered)
    answered = true
  })
  client.on('close', () => {
    clearTimeout(unanswered)
    dropping = false
    answered = false
  })
  const connected = () => client.status === 'ready' && !dropping
  return {
    client,
    async run(_key, command) {
      if (asked === 0) answeredAt = performance.now()
      asked += 1
      try {
        const answer = await command()
        answered = true
        answeredAt = performance.now()
        return answer
      } catch (error) {
        answered = false
        throw error
      } finally {
        asked -= 1
      }
    },
    available: () => answered && connected(),
    close() {
      clearInterval(watch)
      client.disconnect()
    },
  }
}

function sentinelOptions(target: Extract<RedisTarget, { kind: 'sentinel' }>) {
  const { tls, hosts, login, masterName, db, sentinelLogin } = target
  return {
    ...login,
    db,
    name: masterName,
    sentinels: hosts,
    ...(sentinelLogin.username ? { sentinelUsername: sentinelLogin.username } : {}),
    ...(sentinelLogin.password ? { sentinelPassword: sentinelLogin.password } : {}),
    ...(tls ? { tls: {}, sentinelTLS: {}, enableTLSForSentinelMode: true } : {}),
    sentinelCommandTimeout: COMMAND_TIMEOUT_MS,
    sentinelRetryStrategy: backOff,
  }
}

function connectCluster(target: Extract<RedisTarget, { kind: 'cluster' }>, keyPrefix: string): RedisConnection {
  const { tls, hosts, login } = target
  const client = new Cluster(hosts, {
    keyPrefix,
    // Commands of one moment go out together, by the node that owns their keys.
    enableAutoPipelining: true,
    enableOfflineQueue: false,
    clusterRetryStrategy: backOff,
    slotsRefreshTimeout: COMMAND_TIMEOUT_MS,
    slotsRefreshInterval: 5000,
    maxRedirections: Math.ceil(COMMAND_TIMEOUT_MS / 100),
    retryDelayOnFailover: 100,
    retryDelayOnClusterDown: 100,
    redisOptions: { ...timeLimits, commandTimeout: COMMAND_TIMEOUT_MS, ...login, ...(tls ? { tls: {} } : {}) },
    // A certificate is for the name, so with TLS the name is not replaced by its address.
    ...(tls ? { dnsLookup: (name: string, found: (error: null, address: string) => void) => found(null, name) } : {}),
  })
  /** Masters that did not answer, and when one command may ask again. The one that takes over has another address. */
  const away = new Map<string, number>()
  client.on('refresh', () => {
    for (const master of away.keys()) if (!client.slots.some((nodes) => nodes[0] === master)) away.delete(master)
  })
  const masterOf = (key: string) => client.slots[new Command('get', [keyPrefix + key]).getSlot()]?.[0] ?? ''

  return {
    client,
    async run(key, command) {
      if (client.status !== 'ready') throw new Error('the Redis Cluster is not connected')
      const master = masterOf(key)
      const retryAt = away.get(master)
      if (retryAt !== undefined) {
        if (performance.now() < retryAt) throw new Error('a master of the Redis Cluster is away')
        away.set(master, performance.now() + COMMAND_TIMEOUT_MS + SHARD_RETRY_MS)
      }
      try {
        const answer = await inTime(command())
        away.delete(master)
        return answer
      } catch (error) {
        if (!isAnswer(error)) {
          away.set(master, performance.now() + SHARD_RETRY_MS)
          client.refreshSlotsCache()
        }
        throw error
      }
    },
    available: () => client.status === 'ready' && away.size === 0,
    close: () => client.disconnect(),
  }
}

const TIMED_OUT = 'Command timed out'

/** Whether a server that is well said no: then it is our defect, and the next command need not be kept from it. */
export const isAnswer = (error: unknown): boolean =>
  error instanceof Error &&
  error.name === 'ReplyError' &&
  !/^(CLUSTERDOWN|LOADING|MASTERDOWN|READONLY|TRYAGAIN)/.test(error.message)

/** ioredis limits each attempt; across redirections and retries the limit is the same. */
async function inTime<T>(command: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(TIMED_OUT)), COMMAND_TIMEOUT_MS)
  })
  try {
    return await Promise.race([command, limit])
  } finally {
    clearTimeout(timer)
  }
}
