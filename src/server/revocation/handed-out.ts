/** How far status indexes were handed out, kept in the cache: a restore of the database does not reach it, and a restart neither. */
import { type Cache, CacheUnavailable } from '../storage/cache.ts'

const KEY = 'status-index:handed-out'
/** A restore that is older than this has outlived every session that could be mistaken. */
const KEEP_MS = 400 * 86_400_000

export type HandedOut = {
  /** The higher of what is kept and this place, which is kept from now on; this place alone while the cache is away. */
  raise(place: number): Promise<number>
}

export function createHandedOut({ cache }: { cache: Pick<Cache, 'get' | 'set'> }): HandedOut {
  let known = -1
  return {
    async raise(place) {
      if (place === known) return place
      try {
        const highest = Math.max(place, Number((await cache.get(KEY)) ?? 0))
        // Another replica may write a lower place in between: its next poll mends that.
        if (highest === place) await cache.set(KEY, String(place), KEEP_MS)
        known = highest
        return highest
      } catch (error) {
        if (error instanceof CacheUnavailable) return place
        throw error
      }
    },
  }
}
