/** Operators on deliveries: list, dead letters, replay from a time, try again. */
import { z } from 'zod'
import { type EventTarget, eventKinds } from '../config/event-targets.ts'
import { GatewayError, invalidField } from '../errors.ts'
import { operatorOf } from '../http/context.ts'
import { limitParameter, pageOf, toPage } from '../http/paging.ts'
import { type Route, route } from '../http/route.ts'
import type { DeliveryAdminStore } from './admin-store.ts'

const state = z.enum(['pending', 'delivered', 'dead'])

const deliverySchema = z
  .object({
    event_id: z.string().describe('`jti` of its token.'),
    target: z.string(),
    kind: z.enum(eventKinds),
    user_id: z.string(),
    session_id: z.string().nullable(),
    at: z.date().describe('When it happened.'),
    state,
    attempts: z.number().int(),
    due_at: z.date().nullable().describe('Of a pending one: when it may be tried next.'),
    last_error: z.string().nullable(),
    settled_at: z.date().nullable().describe('When it was delivered, or given up.'),
  })
  .meta({ id: 'Delivery' })

const targetSchema = z
  .object({
    id: z.string(),
    mode: z.enum(['push', 'poll']),
    audience: z.string(),
    acknowledges: z.array(z.enum(['erasure'])),
    pending: z.number().int(),
    dead: z.number().int(),
    oldest_pending_seconds: z.number().int(),
    failures: z.number().int().describe('Failed attempts since the last that succeeded.'),
    paused_until: z.date().nullable().describe('It fails, and is not tried before.'),
  })
  .meta({ id: 'EventTarget' })

export type AdminRoutesParts = { store: DeliveryAdminStore; targets: readonly EventTarget[] }

export function deliveryAdminRoutes({ store, targets }: AdminRoutesParts): Route[] {
  const tag = 'Operators: deliveries'
  function configured(id: string): EventTarget {
    const found = targets.find((target) => target.id === id)
    if (!found) throw invalidField('target', 'is not in EVENT_TARGETS')
    return found
  }

  return [
    route(
      {
        method: 'get',
        path: '/admin/event-targets',
        tag,
        summary: 'The services that are told, and how far each is behind.',
        access: 'admin-read',
        reply: z.object({ items: z.array(targetSchema) }),
      },
      async () => {
        const states = await store.targets(targets.map(({ id }) => id))
        return {
          items: states.map(({ id, pushed, failures, pausedUntil, pending, dead, oldestSeconds }) => ({
            id,
            mode: pushed ? ('push' as const) : ('poll' as const),
            audience: configured(id).audience,
            acknowledges: [...configured(id).acknowledges],
            pending,
            dead,
            oldest_pending_seconds: Math.max(0, Math.round(oldestSeconds)),
            failures,
            paused_until: pausedUntil.getTime() === 0 ? null : pausedUntil,
          })),
        }
      },
    ),
    route(
      {
        method: 'get',
        path: '/admin/deliveries',
        tag,
        summary: 'Events on their way to services, by target and state; the newest first. Dead letters: `state=dead`.',
        access: 'admin-read',
        query: z.strictObject({
          target: z.string().min(1).max(64).optional(),
          state: state.optional(),
          limit: limitParameter,
          cursor: z.string().max(100).optional(),
        }),
        reply: pageOf(deliverySchema),
      },
      async ({ query: { target, state, cursor, limit } }) => {
        const after = cursor === undefined ? undefined : readCursor(cursor)
        return toPage(await store.search({ target, state, after, limit: limit + 1 }), limit, {
          item: (row) => ({
            event_id: row.eventId,
            target: row.target,
            kind: row.kind,
            user_id: row.userId,
            session_id: row.sessionId,
            at: row.at,
            state: row.state,
            attempts: row.attempts,
            due_at: row.state === 'pending' ? row.dueAt : null,
            last_error: row.lastError,
            settled_at: row.settledAt,
          }),
          cursor: ({ seq, target }) => `${seq}.${target}`,
        })
      },
    ),
    route(
      {
        method: 'post',
        path: '/admin/deliveries/replay',
        tag,
        summary: 'Tell a target once more all that happened since a time, dead letters included. It hears repeats.',
        access: 'admin',
        body: z.strictObject({
          target: z.string().min(1).max(64),
          from: z.iso.datetime({ offset: true }).describe('ISO 8601, included.'),
        }),
        reply: z.object({ events: z.number().int().describe('How many go out again.') }),
      },
      async ({ body: { target, from }, auth }, c) => ({
        events: await store.replay(configured(target), new Date(from), operatorOf(c, auth)),
      }),
    ),
    route(
      {
        method: 'post',
        path: '/admin/deliveries/retry',
        tag,
        summary: 'Try a dead letter again.',
        access: 'admin',
        body: z.strictObject({ target: z.string().min(1).max(64), event_id: z.guid() }),
        reply: z.null(),
      },
      async ({ body: { target, event_id }, auth }, c) => {
        if (!(await store.retry(configured(target).id, event_id, operatorOf(c, auth))))
          throw new GatewayError('A0404', { note: 'no such dead letter' })
        return null
      },
    ),
  ]
}

function readCursor(cursor: string): { seq: number; target: string } {
  const [, seq, target] = /^(\d{1,15})\.(.{1,64})$/.exec(cursor) ?? []
  if (seq === undefined || target === undefined) throw invalidField('cursor', 'is not a cursor of this list')
  return { seq: Number(seq), target }
}
