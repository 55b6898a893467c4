/** The cache inside the process: for development, and for tests that need no server. */
import type { Clock } from '../clock.ts'
import type { Cache } from './cache.ts'
import { createMemoryLimiter, type Windows } from './limiter.ts'

export type MemoryCache = Cache & {
  /** Everything it holds, for tests that search for secrets. */
  dump(): string
}

export function createMemoryCache({ clock }: { clock: Clock }): MemoryCache {
  const entries = new Map<string, { value: string; expiresAt: number }>()
  const streams = new Map<string, { at: number; entry: Record<string, string> }[]>()
  /** By limiter: every gateway on this cache counts together, as on Redis. */
  const windows = new Map<string, Windows>()
  const now = () => clock.now().getTime()

  function live(key: string): string | undefined {
    const entry = entries.get(key)
    if (entry && entry.expiresAt > now()) return entry.value
    entries.delete(key)
    return undefined
  }
  function put(key: string, value: string, ttlMs: number): void {
    if (entries.size > 50_000) for (const each of entries.keys()) live(each)
    entries.set(key, { value, expiresAt: now() + ttlMs })
  }

  return {
    get: async (key) => live(key),
    set: async (key, value, ttlMs) => put(key, value, ttlMs),
    setIfAbsent: async (key, value, ttlMs) => {
      if (live(key) !== undefined) return false
      put(key, value, ttlMs)
      return true
    },
    replace: async (key, expected, value, ttlMs) => {
      if (live(key) !== expected) return false
      put(key, value, ttlMs)
      return true
    },
    raise: async (key, value, ttlMs) => {
      const highest = Math.max(Number(live(key) ?? 0), value)
      put(key, String(highest), ttlMs)
      return highest
    },
    delete: async (key) => {
      entries.delete(key)
    },
    deleteIf: async (key, expected) => live(key) === expected && entries.delete(key),
    append: async (stream, entry, keepMs, maxEntries = Number.POSITIVE_INFINITY) => {
      const kept = (streams.get(stream) ?? []).filter((each) => each.at > now() - keepMs)
      streams.set(stream, [...kept, { at: now(), entry }].slice(-maxEntries))
    },
    limiter(options) {
      const own = windows.get(options.name) ?? new Map()
      windows.set(options.name, own)
      return createMemoryLimiter(options, own)
    },
    available: () => true,
    close: async () => entries.clear(),
    dump: () => JSON.stringify([[...entries], [...streams]]),
  }
}
