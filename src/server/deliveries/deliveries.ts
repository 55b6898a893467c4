/** Services are told what happened: events that the database wrote with each change, signed and brought to every target. */
import type { Clock } from '../clock.ts'
import type { Config } from '../config/config.ts'
import type { EventTarget } from '../config/event-targets.ts'
import type { Route } from '../http/route.ts'
import type { KeyRing } from '../keys/ring.ts'
import type { Log } from '../observability/log.ts'
import type { Metrics } from '../observability/metrics.ts'
import type { Send } from '../platforms/fetch-json.ts'
import type { Database } from '../storage/database.ts'
import { deliveryAdminRoutes } from './admin-routes.ts'
import { createDeliveryAdminStore } from './admin-store.ts'
import { discoveryRoute } from './discovery.ts'
import { eventPayload } from './event-token.ts'
import { pushEvent } from './push.ts'
import { deliveryServiceRoutes } from './service-routes.ts'
import { createDeliveryStore, type StoredEvent } from './store.ts'
import { createWorker } from './worker.ts'

export type DeliveriesParts = {
  config: Pick<Config, 'eventTargets' | 'eventRetentionDays' | 'issuer'>
  database: Database
  ring: Pick<KeyRing, 'sign' | 'maySign' | 'ready'>
  /** Of this process: what a new token says. */
  tokenClock: Clock
  send: Send
  log: Log
  metrics: Metrics
}

export type Deliveries = {
  publicRoutes: Route[]
  internalRoutes: Route[]
  /** Makes the targets known to the database, before the first request. */
  prepare(): Promise<void>
  jobs: { name: string; everyMs: number; run(): Promise<void> }[]
  /** Answers whoever waits in a long poll. */
  drain(): void
  stop(): Promise<void>
}

const LOOK_EVERY_MS = 500
const TEND_EVERY_MS = 15_000
const REMOVE_ROWS = 1000
const REMOVE_PAGES = 20

type PushTarget = EventTarget & { url: string }

export function createDeliveries(parts: DeliveriesParts): Deliveries {
  const { config, database, ring, tokenClock, send, log, metrics } = parts
  const { eventTargets: targets, issuer } = config
  const store = createDeliveryStore(database)
  const admin = createDeliveryAdminStore(database)
  const stopping = new AbortController()

  async function sign({ audience }: EventTarget, event: StoredEvent): Promise<string | undefined> {
    if (!ring.maySign() || !ring.ready()) return undefined
    const issuedAt = Math.floor(tokenClock.now().getTime() / 1000)
    return await ring.sign('secevent+jwt', eventPayload(event, { issuer, audience, issuedAt }))
  }

  const isPushed = (target: EventTarget): target is PushTarget => target.url !== undefined
  const workers = new Map(targets.filter(isPushed).map((target) => [target.id, workerOf(target)]))
  function workerOf(target: PushTarget) {
    return createWorker({
      target: target.id,
      store,
      sign: (event) => sign(target, event),
      push: (jwt) => pushEvent(send, target, jwt),
      onSettled(outcome, { id, kind, attempt }, reason) {
        metrics.eventPushes.inc({ target: target.id, outcome })
        const about = { target: target.id, event: id, kind, attempt, reason }
        if (outcome === 'dead') log.error(about, 'ALERT: a service will not take an event; it is a dead letter')
        else if (outcome !== 'delivered') log.warn(about, 'an event was not taken, and will be tried again')
      },
      onError: (error) => log.warn({ error, target: target.id }, 'a delivery broke off, and will be tried again'),
    })
  }

  async function look(): Promise<void> {
    // While nothing can be signed there is nothing to bring.
    if (!ring.maySign() || !ring.ready() || !database.available()) return
    for (const id of await store.dueTargets([...workers.keys()])) workers.get(id)?.nudge()
  }

  async function tend(): Promise<void> {
    await store.register(targets)
    for (const { id, pending, dead, oldestSeconds } of await admin.targets(targets.map(({ id }) => id))) {
      metrics.eventsPending.set({ target: id }, pending)
      metrics.eventsDead.set({ target: id }, dead)
      metrics.eventsOldest.set({ target: id }, oldestSeconds)
    }
    for (let page = 0; page < REMOVE_PAGES && !stopping.signal.aborted; page += 1) {
      const { events, lost } = await store.removeOld(config.eventRetentionDays, REMOVE_ROWS)
      if (lost > 0)
        log.error({ lost }, 'ALERT: deliveries that never succeeded are older than EVENT_RETENTION_DAYS: deleted')
      if (events < REMOVE_ROWS) return
    }
  }

  return {
    publicRoutes: [discoveryRoute({ issuer, targets })],
    internalRoutes: [
      ...deliveryAdminRoutes({ store: admin, targets }),
      ...deliveryServiceRoutes({ targets, store, admin, sign, stopping: stopping.signal }),
    ],
    prepare: () => store.register(targets),
    jobs: [
      { name: 'event-deliveries', everyMs: LOOK_EVERY_MS, run: look },
      { name: 'event-targets', everyMs: TEND_EVERY_MS, run: tend },
    ],
    drain: () => stopping.abort(),
    async stop() {
      stopping.abort()
      await Promise.all([...workers.values()].map((worker) => worker.stop()))
    },
  }
}
