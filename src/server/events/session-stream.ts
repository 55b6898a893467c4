/** The stream of ended sessions, for consumers that cannot wait for a poll: best effort, with the status list as catch-up. */
import { setTimeout as pause } from 'node:timers/promises'
import type { Clock } from '../clock.ts'
import type { Cache } from '../storage/cache.ts'

export const SESSION_EVENTS_STREAM = 'session-events'
const KEEP_MS = 24 * 3_600_000
const RETRY_AFTER_MS = [250, 1000, 4000]
/** Beyond this many that wait for a cache that is away, events are given up at once. */
const MAX_WAITING = 1000

export type SessionEvents = {
  /** Call it once the end is committed. Never throws. */
  publish(ended: readonly { sid: string; userId: string }[], reason: string): void
  /** Waits for what is under way, without trying again. */
  stop(): Promise<void>
}

export type SessionEventsParts = {
  cache: Pick<Cache, 'append'>
  clock: Clock
  /** The longest lifetime of an access token: how long the event matters. */
  tokenTtlSeconds: number
  onLost: (error: unknown) => void
}

export function createSessionEvents({ cache, clock, tokenTtlSeconds, onLost }: SessionEventsParts): SessionEvents {
  const underWay = new Set<Promise<void>>()
  const stopping = new AbortController()

  /** A second try may write a second entry: who listens must not mind. */
  async function append(entry: Record<string, string>): Promise<void> {
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await cache.append(SESSION_EVENTS_STREAM, entry, KEEP_MS)
      } catch (error) {
        const waitMs = RETRY_AFTER_MS[attempt]
        if (waitMs === undefined || stopping.signal.aborted) return onLost(error)
        await pause(waitMs, undefined, { signal: stopping.signal, ref: false }).catch(() => undefined)
      }
    }
  }

  return {
    publish(ended, reason) {
      const at = Math.floor(clock.now().getTime() / 1000)
      for (const { sid, userId } of ended) {
        if (underWay.size >= MAX_WAITING) {
          onLost(new Error('too many session events wait for the cache'))
          continue
        }
        const exp = String(at + tokenTtlSeconds)
        const appending = append({ sid, user_id: userId, exp, reason, at: String(at) }).finally(() =>
          underWay.delete(appending),
        )
        underWay.add(appending)
      }
    },
    async stop() {
      stopping.abort()
      await Promise.all(underWay)
    },
  }
}
