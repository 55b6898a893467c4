/** Notices that a server is away by asking it, so that requests fail at once instead of each finding out by waiting. */
import { setTimeout as pause } from 'node:timers/promises'

export type OutageWatch = {
  available(): boolean
  /** Runs a call against the server, unless it is known to be away. */
  watch<T>(call: () => Promise<T>): Promise<T>
  close(): void
}

export type OutageWatchParts = {
  /** Asks the server, on a connection of its own and with a time limit of its own; rejects when it does not answer. */
  probe(): Promise<void>
  /** Whether a failed call is a reason to ask. */
  isOutage(error: unknown): boolean
  /** What a call gets while the server is away. */
  refusal(): Error
  /** Called once for every outage: what is still under way will not be answered. */
  onAway(): void
  /** A call that takes longer than this is a reason to ask. */
  stallMs: number
  everyMs?: number
}

/** A slow or failed call only raises the question: one probe decides, so a slow statement alone never closes the door. */
export function createOutageWatch(parts: OutageWatchParts): OutageWatch {
  const { probe, isOutage, refusal, onAway, stallMs, everyMs = 500 } = parts
  /** In the order in which they began, so the first is the oldest. */
  const underWay = new Set<{ since: number }>()
  let away = false
  let asking = false
  let closed = false

  async function ask(): Promise<void> {
    if (asking) return
    asking = true
    while (!closed) {
      const answered = await probe().then(
        () => true,
        () => false,
      )
      if (answered) break
      if (!away && !closed) {
        away = true
        onAway()
      }
      await pause(everyMs, undefined, { ref: false })
    }
    away = false
    asking = false
  }

  const timer = setInterval(() => {
    const [oldest] = underWay
    if (oldest && performance.now() - oldest.since > stallMs) void ask()
  }, everyMs)
  timer.unref()

  return {
    available: () => !away,
    async watch(call) {
      if (away) throw refusal()
      const mark = { since: performance.now() }
      underWay.add(mark)
      try {
        return await call()
      } catch (error) {
        if (isOutage(error)) void ask()
        throw error
      } finally {
        underWay.delete(mark)
      }
    },
    close() {
      closed = true
      clearInterval(timer)
    },
  }
}
