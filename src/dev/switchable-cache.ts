/** A cache that can be told to be down, for development: what Redis going away does to the gateway, without a Redis. */
import { type Cache, CacheUnavailable } from '../server/storage/cache.ts'

export type SwitchableCache = Cache & { isDown(): boolean; setDown(down: boolean): void }

export function createSwitchableCache(cache: Cache): SwitchableCache {
  let down = false
  async function ask<T>(command: () => Promise<T>): Promise<T> {
    if (down) throw new CacheUnavailable(new Error('switched off by hand'))
    return await command()
  }
  return {
    get: (...given) => ask(() => cache.get(...given)),
    set: (...given) => ask(() => cache.set(...given)),
    setIfAbsent: (...given) => ask(() => cache.setIfAbsent(...given)),
    replace: (...given) => ask(() => cache.replace(...given)),
    raise: (...given) => ask(() => cache.raise(...given)),
    delete: (...given) => ask(() => cache.delete(...given)),
    deleteIf: (...given) => ask(() => cache.deleteIf(...given)),
    append: (...given) => ask(() => cache.append(...given)),
    limiter(options) {
      const limiter = cache.limiter(options)
      return { consume: (key) => ask(() => limiter.consume(key)) }
    },
    available: () => !down && cache.available(),
    close: () => cache.close(),
    isDown: () => down,
    setDown(next) {
      down = next
    },
  }
}
