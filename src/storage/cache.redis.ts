/** The cache on Redis, shared by all replicas; a frozen server costs one time limit, then fails fast until it answers again. */
import { Redis } from 'ioredis'
import type { Span } from '../span.ts'
import { type Cache, CacheUnavailable } from './cache.ts'
import { createRedisLimiter } from './limiter.ts'

const COMMAND_TIMEOUT_MS = 500
const CONNECT_TIMEOUT_MS = 1000
const MAX_RECONNECT_DELAY_MS = 1000

const replaceScript = `if redis.call('get', KEYS[1]) == ARGV[1] then redis.call('set', KEYS[1], ARGV[2], 'PX', ARGV[3]) return 1 end return 0`
const deleteIfScript = `if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0`
const incrementScript = `local n = redis.call('incr', KEYS[1]) if n == 1 then redis.call('pexpire', KEYS[1], ARGV[1]) end return n`

export type RedisOptions = {
  url: string
  keyPrefix?: string
  onError?: (error: Error) => void
  span?: Span | undefined
}

export function createRedisCache({
  url,
  keyPrefix = 'gateway:',
  onError,
  span,
}: RedisOptions): Cache & { redis: Redis } {
  const redis = new Redis(url, {
    keyPrefix,
    enableAutoPipelining: true,
    // Nothing waits in a queue for a server that is away: the caller decides what to do without it.
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    commandTimeout: COMMAND_TIMEOUT_MS,
    connectTimeout: CONNECT_TIMEOUT_MS,
    // A frozen server never says goodbye: the socket is not kept open to wait for it.
    disconnectTimeout: 1,
    retryStrategy: (attempt) => Math.min(50 * 2 ** Math.min(attempt, 10), MAX_RECONNECT_DELAY_MS),
  })
  redis.on('error', (error) => onError?.(error))
  // Beside redis.status, which still says "ready" while a frozen server's connection is being closed.
  let dropping = false
  let answered = false
  redis.on('ready', () => {
    answered = true
  })
  redis.on('close', () => {
    dropping = false
    answered = false
  })
  const ready = () => redis.status === 'ready' && !dropping

  async function guarded<T>(name: string, command: () => Promise<T>): Promise<T> {
    try {
      const answer = await (span ? span(`redis ${name}`, command) : command())
      answered = true
      return answer
    } catch (error) {
      // A killed server is noticed by the command that fails, before the connection says that it is closed.
      answered = false
      // A frozen server: drop the connection, so that what follows fails at once until the server answers a new one.
      if (error instanceof Error && error.message === 'Command timed out' && ready()) {
        dropping = true
        redis.disconnect(true)
      }
      throw new CacheUnavailable(error)
    }
  }
  const wholeMs = (ttlMs: number) => Math.max(1, Math.ceil(ttlMs))

  return {
    redis,
    get: (key) => guarded('get', async () => (await redis.get(key)) ?? undefined),
    set: (key, value, ttlMs) => guarded('set', async () => void (await redis.set(key, value, 'PX', wholeMs(ttlMs)))),
    setIfAbsent: (key, value, ttlMs) =>
      guarded('setIfAbsent', async () => (await redis.set(key, value, 'PX', wholeMs(ttlMs), 'NX')) === 'OK'),
    replace: (key, expected, value, ttlMs) =>
      guarded('replace', async () => (await redis.eval(replaceScript, 1, key, expected, value, wholeMs(ttlMs))) === 1),
    delete: (key) => guarded('delete', async () => void (await redis.del(key))),
    deleteIf: (key, expected) =>
      guarded('deleteIf', async () => (await redis.eval(deleteIfScript, 1, key, expected)) === 1),
    increment: (key, ttlMs) =>
      guarded('increment', async () => Number(await redis.eval(incrementScript, 1, key, wholeMs(ttlMs)))),
    append: (stream, entry, keepMs) =>
      guarded(
        'append',
        async () =>
          void (await redis.xadd(stream, 'MINID', '~', Date.now() - keepMs, '*', ...Object.entries(entry).flat())),
      ),
    limiter: (options) => createRedisLimiter({ redis, guarded }, options),
    available: () => answered && ready(),
    close: async () => redis.disconnect(),
  }
}
