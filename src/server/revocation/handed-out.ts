/** How far status indexes were handed out, and by which server, kept in the cache: a restore of the database does not reach it. */
import { type Cache, CacheUnavailable } from '../storage/cache.ts'

const PLACE = 'status-index:handed-out'
const SERVER = 'status-index:server'
/** A restore that is older than this has outlived every session that could be mistaken. */
const KEEP_MS = 400 * 86_400_000

export type HandedOut = {
  /**
   * The higher of what is kept and this place, which is kept from now on, and whether another server was kept until now; this place
   * alone while the cache is away.
   */
  raise(place: number, server: string): Promise<{ place: number; moved: boolean }>
}

export const createHandedOut = ({ cache }: { cache: Pick<Cache, 'get' | 'set' | 'raise'> }): HandedOut => ({
  async raise(place, server) {
    try {
      const [highest, before] = await Promise.all([cache.raise(PLACE, place, KEEP_MS), cache.get(SERVER)])
      if (before !== server) await cache.set(SERVER, server, KEEP_MS)
      return { place: highest, moved: before !== undefined && before !== server }
    } catch (error) {
      if (error instanceof CacheUnavailable) return { place, moved: false }
      throw error
    }
  },
})
