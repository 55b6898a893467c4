/** What services do: fetch their events (RFC 8936), and confirm that an erased user's data is gone. */
import { setTimeout as pause } from 'node:timers/promises'
import { z } from 'zod'
import type { EventTarget } from '../config/event-targets.ts'
import { GatewayError, invalidField } from '../errors.ts'
import type { ServiceCaller } from '../http/auth.ts'
import { rawReply } from '../http/context.ts'
import { type Route, route } from '../http/route.ts'
import type { DeliveryAdminStore } from './admin-store.ts'
import type { DeliveryStore, StoredEvent } from './store.ts'

const MAX_EVENTS = 100
/** A long poll is answered by then, with events or without. */
const MAX_WAIT_MS = 20_000
const LOOK_EVERY_MS = 500
/** Of one target, on one replica; one more is answered at once. */
const MAX_WAITING = 4

const setError = z.object({ err: z.string().regex(/^\w{1,64}$/), description: z.string().max(1000).optional() })

/** RFC 8936 section 2.2; members that it does not know are left alone. */
const pollBody = z.object({
  maxEvents: z.number().int().min(0).max(10_000).optional(),
  returnImmediately: z.boolean().optional(),
  ack: z.array(z.guid()).max(1000).optional(),
  setErrs: z.record(z.guid(), setError).optional(),
})

const pollReply = z
  .object({ sets: z.record(z.string(), z.string()), moreAvailable: z.boolean().optional() })
  .meta({ id: 'PolledEvents' })

export type ServiceRoutesParts = {
  targets: readonly EventTarget[]
  store: DeliveryStore
  admin: DeliveryAdminStore
  /** Undefined while nothing can be signed. */
  sign: (target: EventTarget, event: StoredEvent) => Promise<string | undefined>
  stopping: AbortSignal
}

export function deliveryServiceRoutes({ targets, store, admin, sign, stopping }: ServiceRoutesParts): Route[] {
  const waiting = new Map<string, number>()

  /** Waits until there is something, unless it may not. */
  async function pendingOf(id: string, limit: number, atOnce: boolean): Promise<StoredEvent[]> {
    const others = waiting.get(id) ?? 0
    const until = performance.now() + MAX_WAIT_MS
    waiting.set(id, others + 1)
    try {
      for (;;) {
        const events = await store.pending(id, limit)
        const over = atOnce || others >= MAX_WAITING || stopping.aborted || performance.now() >= until
        if (events.length > 0 || over) return events
        await pause(LOOK_EVERY_MS, undefined, { signal: stopping, ref: false }).catch(() => undefined)
      }
    } finally {
      waiting.set(id, (waiting.get(id) ?? 1) - 1)
    }
  }

  return [
    route(
      {
        method: 'post',
        path: '/internal/events/:target/poll',
        tag: 'Services',
        summary:
          'Events for a target without `url` (RFC 8936): acknowledge what was taken, get what is next, at most one event of a user.',
        access: 'events',
        params: z.object({ target: z.string().min(1).max(64) }),
        body: pollBody,
        replies: { 200: { 'application/json': pollReply } },
      },
      async ({ params, body, auth }, c) => {
        const target = targets.find(({ id }) => id === params.target)
        if (target === undefined || target.url !== undefined || !mayBe(auth, params.target))
          throw new GatewayError('A0404', { note: `no target ${params.target} that polls, for this token` })
        const { maxEvents = MAX_EVENTS, returnImmediately = false, ack = [], setErrs = {} } = body
        const refused = Object.entries(setErrs).map(([id, { err }]) => ({ id, error: err }))
        await store.acknowledge(target.id, [...refused, ...ack.map((id) => ({ id, error: null }))])
        if (maxEvents === 0) return rawReply(c, JSON.stringify({ sets: {} }))
        const limit = Math.min(maxEvents, MAX_EVENTS)
        const events = await pendingOf(target.id, limit + 1, returnImmediately)
        const sets: Record<string, string> = {}
        for (const event of events.slice(0, limit)) {
          const jwt = await sign(target, event)
          if (jwt === undefined)
            throw new GatewayError('B0320', { note: 'nothing can be signed', retryAfterSeconds: 10 })
          sets[event.id] = jwt
        }
        return rawReply(c, JSON.stringify({ sets, ...(events.length > limit ? { moreAvailable: true } : {}) }), {
          headers: { 'Cache-Control': 'no-store' },
        })
      },
    ),
    route(
      {
        method: 'post',
        path: '/internal/erasures/:id/done',
        tag: 'Services',
        summary: "Confirm that an erased user's data is gone from a service: `id` is the event's `erasure_id`.",
        access: 'events',
        params: z.object({ id: z.guid() }),
        body: z
          .strictObject({ target: z.string().min(1).max(64).optional() })
          .optional()
          .describe('Which target confirms, for a token that is not narrowed to one.'),
        reply: z.object({ erasure_id: z.string(), target: z.string(), confirmed_at: z.date() }),
      },
      async ({ params: { id }, body, auth }) => {
        const target = body?.target ?? (auth.only?.length === 1 ? auth.only[0] : undefined)
        if (target === undefined) throw invalidField('target', 'is required: the token is for several targets')
        if (!mayBe(auth, target))
          throw new GatewayError('A0312', { note: `service token ${auth.name} may not confirm for ${target}` })
        const at = await admin.confirm(id, target)
        if (!at) throw new GatewayError('A0404', { note: 'no such erasure, or nothing for this target to confirm' })
        return { erasure_id: id, target, confirmed_at: at }
      },
    ),
  ]
}

const mayBe = ({ only }: ServiceCaller, target: string): boolean => only === undefined || only.includes(target)
