/** The cache on Redis, shared by all replicas. Writes of one moment share a command; on a Cluster each command touches one key. */
import { Cluster, type Redis } from 'ioredis'
import type { Span } from '../observability/span.ts'
import { createBatch } from './batch.ts'
import { type Cache, CacheUnavailable } from './cache.ts'
import { createRedisLimiter } from './limiter.ts'
import { connectRedis, isAnswer } from './redis.ts'

/** Per key a value, its milliseconds, and NX where it must not be there yet; answers 1 for each that was set. */
const writeScript = `local made = {} for i = 1, #KEYS do
local value, ms = ARGV[3 * i - 2], ARGV[3 * i - 1]
if ARGV[3 * i] == 'NX' then made[i] = redis.call('set', KEYS[i], value, 'PX', ms, 'NX') and 1 or 0
else redis.call('set', KEYS[i], value, 'PX', ms) made[i] = 1 end end return made`
/** What is old is decided by the clock of Redis, which also makes the ids: no replica's own can empty the stream. */
const appendScript = `
  local now = redis.call('TIME')
  local oldest = now[1] * 1000 + math.floor(now[2] / 1000) - ARGV[1]
  local entry = {}
  for i = 3, #ARGV do entry[i - 2] = ARGV[i] end
  redis.call('XADD', KEYS[1], 'MINID', '~', string.format('%d', oldest), '*', unpack(entry))
  if ARGV[2] ~= '' then redis.call('XTRIM', KEYS[1], 'MAXLEN', '~', ARGV[2]) end`

const replaceScript = `if redis.call('get', KEYS[1]) == ARGV[1] then redis.call('set', KEYS[1], ARGV[2], 'PX', ARGV[3]) return 1 end return 0`
const deleteIfScript = `if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0`

const raiseScript = `
  local highest = math.max(tonumber(redis.call('get', KEYS[1]) or 0) or 0, tonumber(ARGV[1]))
  redis.call('set', KEYS[1], string.format('%d', highest), 'PX', ARGV[2])
  return string.format('%d', highest)`

type Write = { key: string; value: string; ttlMs: number; mode: 'NX' | 'always' }

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
}: RedisOptions): Cache & { redis: Redis | Cluster } {
  const { client: redis, run, available, close } = connectRedis({ url, keyPrefix, onError })

  async function guarded<T>(name: string, key: string, command: () => Promise<T>): Promise<T> {
    try {
      return await (span ? span(`redis ${name}`, () => run(key, command)) : run(key, command))
    } catch (error) {
      throw new CacheUnavailable(error)
    }
  }
  const wholeMs = (ttlMs: number) => Math.max(1, Math.ceil(ttlMs))

  /** On one server; a Cluster's keys are spread over several. Where that hides behind a proxy that refuses, each goes alone. */
  const writeTogether = createBatch<Write, boolean>({
    name: 'redis set',
    span,
    maxItems: 512,
    // Whoever comes while Redis is slow is told that it is away, which a login survives; being shed here it would not.
    maxWaiting: Number.POSITIVE_INFINITY,
    isOutage: (error) => !(error instanceof CacheUnavailable && isAnswer(error.cause)),
    async run(items) {
      const [first] = items
      if (!first) return []
      const keys = items.map(({ key }) => key)
      const values = items.flatMap(({ value, ttlMs, mode }) => [value, wholeMs(ttlMs), mode])
      try {
        const made = await run(first.key, () => redis.eval(writeScript, keys.length, ...keys, ...values))
        return (made as number[]).map((one) => one === 1)
      } catch (error) {
        throw new CacheUnavailable(error)
      }
    },
  })
  const writeAlone = ({ key, value, ttlMs, mode }: Write) =>
    guarded('set', key, async () => {
      const set =
        mode === 'NX' ? redis.set(key, value, 'PX', wholeMs(ttlMs), 'NX') : redis.set(key, value, 'PX', wholeMs(ttlMs))
      return (await set) === 'OK'
    })
  const write = redis instanceof Cluster ? writeAlone : writeTogether

  return {
    redis,
    get: (key) => guarded('get', key, async () => (await redis.get(key)) ?? undefined),
    set: (key, value, ttlMs) => write({ key, value, ttlMs, mode: 'always' }),
    setIfAbsent: (key, value, ttlMs) => write({ key, value, ttlMs, mode: 'NX' }),
    replace: (key, expected, value, ttlMs) =>
      guarded(
        'replace',
        key,
        async () => (await redis.eval(replaceScript, 1, key, expected, value, wholeMs(ttlMs))) === 1,
      ),
    raise: (key, value, ttlMs) =>
      guarded('raise', key, async () => Number(await redis.eval(raiseScript, 1, key, value, wholeMs(ttlMs)))),
    delete: (key) => guarded('delete', key, async () => void (await redis.del(key))),
    deleteIf: (key, expected) =>
      guarded('deleteIf', key, async () => (await redis.eval(deleteIfScript, 1, key, expected)) === 1),
    append: (stream, entry, keepMs, maxEntries) =>
      guarded('append', stream, async () => {
        const values = Object.entries(entry).flat()
        await redis.eval(appendScript, 1, stream, wholeMs(keepMs), maxEntries ?? '', ...values)
      }),
    limiter: (options) => createRedisLimiter({ redis, guarded }, options),
    available,
    close: async () => close(),
  }
}
