/** How far status indexes were handed out, and by which server, kept in the cache: a restore of the database does not reach it. */
import { type Cache, CacheUnavailable } from '../storage/cache.ts'

const PLACE = 'status-index:handed-out'
const SERVER = 'status-index:server'
/** A restore that is older than this has outlived every session that could be mistaken. */
const KEEP_MS = 400 * 86_400_000

export type HandedOut = {
  /** What replicas kept: asked before the database is, which cannot be behind it then. Nothing while the cache is away. */
  kept(): Promise<{ place: number; server: string | undefined }>
  /** Keeps this place unless a higher one is kept, and the server that gave it. */
  keep(place: number, server: string): Promise<void>
}

export function createHandedOut({ cache }: { cache: Pick<Cache, 'get' | 'set' | 'raise'> }): HandedOut {
  const nothing = { place: 0, server: undefined }

  async function unlessAway<Result>(ask: () => Promise<Result>, away: Result): Promise<Result> {
    try {
      return await ask()
    } catch (error) {
      if (error instanceof CacheUnavailable) return away
      throw error
    }
  }

  return {
    kept: () =>
      unlessAway(async () => {
        const [place, server] = await Promise.all([cache.get(PLACE), cache.get(SERVER)])
        return { place: Number(place ?? 0), server }
      }, nothing),
    keep: (place, server) =>
      unlessAway(async () => {
        await Promise.all([cache.raise(PLACE, place, KEEP_MS), cache.set(SERVER, server, KEEP_MS)])
      }, undefined),
  }
}
