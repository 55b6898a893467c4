/** A cache whose server is away: what every test of an outage hands in, so that both store kinds meet the same one. */
import { type Cache, CacheUnavailable } from '../../server/storage/cache.ts'

export function createAwayCache(): Cache {
  const away = async () => {
    throw new CacheUnavailable('down')
  }
  return {
    get: away,
    set: away,
    setIfAbsent: away,
    replace: away,
    raise: away,
    delete: away,
    deleteIf: away,
    append: away,
    limiter: () => ({ consume: away }),
    available: () => false,
    close: async () => undefined,
  }
}
