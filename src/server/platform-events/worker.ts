/** Works off the inbox: soon after an event has come, and again with growing pauses when it failed, on whichever replica. */
import type { Log } from '../observability/log.ts'
import type { Metrics } from '../observability/metrics.ts'
import { CacheUnavailable } from '../storage/cache.ts'
import { userEvents } from './event.ts'
import { type Handle, PLATFORM_EVENTS_STREAM } from './handle.ts'
import type { Claimed, Inbox } from './store.ts'

export type Worker = {
  /** Does what is due. */
  run(): Promise<void>
  /** An event has just come: do it now, in the background. */
  wake(): void
  /** From now on no event is taken up: other replicas do it. */
  drain(): void
  /** After the event under way. */
  stop(): Promise<void>
}

export type WorkerParts = {
  inbox: Inbox
  handle: Handle
  log: Log
  metrics: Pick<Metrics, 'platformEvents' | 'platformEventsWaiting' | 'platformEventsAge'>
}

const BATCH = 10
const MAX_ATTEMPTS = 12
const MAX_PAUSE_MS = 10 * 60_000
/** Redis being away is no fault of the event: it is tried again as long as that takes. */
const CACHE_PAUSE_MS = 5000

/** In runs of the job. */
const FORGET_EVERY = 30

/** 2 s, 4 s, 8 s, ... up to ten minutes. */
const pauseAfter = (attempts: number): number => Math.min(2 ** attempts * 1000, MAX_PAUSE_MS)

export function createWorker({ inbox, handle, log, metrics }: WorkerParts): Worker {
  let stopped = false
  let underWay: Promise<void> | undefined
  let again = false
  let runs = 0

  function count({ platform, name }: Claimed, outcome: string): void {
    const event = userEvents.find((one) => one === name) ?? 'other'
    metrics.platformEvents.inc({ platform, event, outcome })
  }

  /** True when the rest of its kind should wait as well. */
  async function work(event: Claimed): Promise<boolean> {
    try {
      const { outcome, passOn } = await handle(event)
      if (passOn) await inbox.passOn(event, outcome)
      else await inbox.finish(event, outcome)
      count(event, outcome)
      return false
    } catch (error) {
      const said = error instanceof Error ? error.name : 'unknown'
      if (error instanceof CacheUnavailable) {
        await inbox.retry(event, CACHE_PAUSE_MS, said, false)
        count(event, 'waits')
        return true
      }
      const about = { error, event: event.id, name: event.name, attempts: event.attempts }
      if (event.attempts >= MAX_ATTEMPTS) {
        await inbox.giveUp(event, said)
        count(event, 'dead')
        log.error(about, 'ALERT: an event of a platform was given up')
        return false
      }
      await inbox.retry(event, pauseAfter(event.attempts), said, true)
      count(event, 'failed')
      log.warn(about, 'an event of a platform failed and is tried again')
      return false
    }
  }

  async function drain(kind: 'user' | 'other'): Promise<void> {
    while (!stopped) {
      const events = await inbox.claim(kind, BATCH)
      for (const [n, event] of events.entries()) {
        if (stopped || ((await work(event)) && kind === 'other')) {
          const rest = stopped ? events.slice(n) : events.slice(n + 1)
          for (const each of rest) await inbox.retry(each, stopped ? 0 : CACHE_PAUSE_MS, 'put back', false)
          return
        }
      }
      if (events.length < BATCH) return
    }
  }

  async function drainAll(): Promise<void> {
    do {
      again = false
      // A user's own data first: those wait for nobody's stream.
      await drain('user')
      await drain('other')
    } while (again && !stopped)
  }

  function run(): Promise<void> {
    if (underWay) {
      again = true
      return underWay
    }
    underWay = drainAll().finally(() => {
      underWay = undefined
    })
    return underWay
  }

  return {
    async run() {
      await run()
      if (runs++ % FORGET_EVERY === 0) await inbox.forget()
      const waiting = await inbox.waiting()
      for (const kind of ['user', 'other'] as const) {
        const of = waiting.find((one) => one.kind === kind)
        metrics.platformEventsWaiting.set({ kind }, of?.count ?? 0)
        metrics.platformEventsAge.set({ kind }, of?.age ?? 0)
      }
    },
    wake() {
      if (stopped) return
      run().catch((error: unknown) => log.warn({ error }, `events of a platform wait: ${PLATFORM_EVENTS_STREAM}`))
    },
    drain() {
      stopped = true
    },
    async stop() {
      stopped = true
      await underWay?.catch(() => undefined)
    },
  }
}
