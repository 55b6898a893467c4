/** Operators on signing keys: list, rotate now, retire now; each change says who holds caches. */
import { z } from 'zod'
import { GatewayError } from '../errors.ts'
import { operatorOf } from '../http/context.ts'
import { type Route, route } from '../http/route.ts'
import { type KeyRing, shownKey } from '../keys/ring.ts'

const keySchema = z
  .object({
    kid: z.string(),
    alg: z.string(),
    state: z.enum(['pending', 'active', 'retiring', 'gone']),
    published_at: z.date(),
    activates_at: z.date().describe('When it begins to sign.'),
    signs_until: z.date().nullable().describe('When its successor takes over; null while none is there.'),
  })
  .meta({ id: 'SigningKey' })

const keysSchema = z.array(keySchema)
const changeSchema = z.object({
  keys: keysSchema,
  warnings: z.array(z.string()).describe('Who must be thought of because of this change.'),
})

export function adminKeyRoutes({ ring }: { ring: KeyRing }): Route[] {
  const common = { tag: 'Operators: keys', access: 'admin' } as const
  return [
    route(
      {
        ...common,
        method: 'get',
        path: '/admin/keys',
        access: 'admin-read',
        summary: 'The signing keys and what each is doing.',
        reply: z.object({ keys: keysSchema }),
      },
      async () => ({ keys: ring.list().map(shownKey) }),
    ),
    route(
      {
        ...common,
        method: 'post',
        path: '/admin/keys/rotate',
        summary: 'Publish a new key now; it signs after the usual publish-ahead, or as soon as is asked.',
        body: z.strictObject({ activate_after_seconds: z.number().int().min(0).max(31_536_000).optional() }).optional(),
        reply: changeSchema,
      },
      async ({ body, auth }, c) => {
        const { keys, warnings } = await ring.rotate(body?.activate_after_seconds, operatorOf(c, auth))
        return { keys: keys.map(shownKey), warnings }
      },
    ),
    route(
      {
        ...common,
        method: 'post',
        path: '/admin/keys/:kid/retire',
        summary: 'Take a key out at once, as when it leaked: what it signed is refused. Another key signs from now on.',
        params: z.object({ kid: z.string().min(1).max(128) }),
        reply: changeSchema,
      },
      async ({ params, auth }, c) => {
        const change = await ring.retire(params.kid, operatorOf(c, auth))
        if (!change) throw new GatewayError('A0404', { note: 'no such signing key' })
        return { keys: change.keys.map(shownKey), warnings: change.warnings }
      },
    ),
  ]
}
