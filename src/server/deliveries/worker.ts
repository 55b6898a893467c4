/** Pushes what is due to one target, several at once and never two of a user; on every replica, which know of each other by leases alone. */
import { createBatch } from '../storage/batch.ts'
import { isDatabaseUnavailable } from '../storage/sqlstate.ts'
import type { Pushed } from './push.ts'
import type { ClaimedEvent, DeliveryStore, StoredEvent } from './store.ts'

export type Worker = {
  /** There is something due. */
  nudge(): void
  /** Begins nothing more, and waits for what is under way. */
  stop(): Promise<void>
}

export type WorkerParts = {
  target: string
  store: DeliveryStore
  /** Undefined while nothing can be signed: no key, or a clock that is off. */
  sign: (event: StoredEvent) => Promise<string | undefined>
  push: (jwt: string) => Promise<Pushed>
  onSettled: (outcome: Pushed['outcome'] | 'dead', event: ClaimedEvent, error?: string) => void
  onError: (error: unknown) => void
}

const CONCURRENCY = 16
/** Claimed together, so that a full pipe does not cost a statement for each event. */
const CLAIM_AT_LEAST = 8
/** More than a push may take: who has it still, or has died. */
const LEASE_SECONDS = 15
const MAX_WAIT_SECONDS = { away: 30, failed: 300 }

export function createWorker({ target, store, sign, push, onSettled, onError }: WorkerParts): Worker {
  const underWay = new Set<Promise<void>>()
  let filling: Promise<void> | undefined
  let again = false
  let stopped = false

  const markDelivered = createBatch<{ seq: number; done: boolean }, undefined>({
    name: 'postgres mark_delivered',
    isOutage: isDatabaseUnavailable,
    async run(items) {
      const done = items.filter((item) => item.done)
      await store.delivered(
        target,
        items.map(({ seq }) => seq),
        done.map(({ seq }) => seq),
      )
      return []
    },
  })

  async function deliver(event: ClaimedEvent): Promise<void> {
    const jwt = await sign(event)
    if (jwt === undefined) return await store.release(target, event, 5)
    const pushed = await push(jwt)
    if (pushed.outcome === 'delivered') {
      await markDelivered({ seq: event.seq, done: pushed.done })
      return onSettled('delivered', event)
    }
    const { outcome, error } = pushed
    const waitSeconds = outcome === 'refused' ? 0 : backOff(event.attempt, MAX_WAIT_SECONDS[outcome])
    const failure = { seq: event.seq, attempt: event.attempt, error, waitSeconds, refused: outcome === 'refused' }
    const state = await store.failed(target, failure)
    onSettled(state === 'dead' ? 'dead' : outcome, event, error)
  }

  /** What fails here, such as a mark while the database is away, is tried again when the lease is over. */
  function start(event: ClaimedEvent): void {
    const delivering = deliver(event)
      .catch(onError)
      .finally(() => {
        underWay.delete(delivering)
        nudge()
      })
    underWay.add(delivering)
  }

  async function fill(): Promise<void> {
    do {
      again = false
      const free = CONCURRENCY - underWay.size
      if (stopped || (free < CLAIM_AT_LEAST && underWay.size > 0)) return
      const claimed = await store.claim(target, free, LEASE_SECONDS)
      for (const event of claimed) start(event)
    } while (again)
  }

  function nudge(): void {
    if (stopped) return
    again = true
    filling ??= fill()
      .catch(onError)
      .finally(() => {
        filling = undefined
      })
  }

  return {
    nudge,
    async stop() {
      stopped = true
      await filling
      await Promise.all(underWay)
    },
  }
}

/** Exponential, with jitter: half of it certain, half of it chance. */
const backOff = (attempt: number, maxSeconds: number): number =>
  Math.min(maxSeconds, 2 ** Math.min(attempt - 1, 20)) * (0.5 + Math.random() / 2)
