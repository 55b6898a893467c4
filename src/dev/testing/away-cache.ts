/** A cache whose server is away: what every test of an outage hands in, so that both store kinds meet the same one. */
import { type Cache, CacheUnavailable } from '../../server/storage/cache.ts'
import { createMemoryLimiter } from '../../server/storage/limiter.ts'

export function createAwayCache(): Cache {
  const away = async () => {
    throw new CacheUnavailable('down')
  }
  return {
    get: away,
    set: away,
    setIfAbsent: away,
    replace: away,
    delete: away,
    deleteIf: away,
    increment: away,
    append: away,
    limiter: createMemoryLimiter,
    available: () => false,
    close: async () => undefined,
  }
}
