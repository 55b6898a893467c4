/** GET /api/erasures/{receipt}: whoever holds a receipt may ask how far the erasure is. */
import { z } from 'zod'
import { GatewayError } from '../errors.ts'
import { replyHeader } from '../http/context.ts'
import { type Route, route } from '../http/route.ts'
import type { Limit } from '../rate-limit/limit.ts'
import type { ErasureState } from './erasure-store.ts'
import type { Erasures } from './erasures.ts'

const part = z.object({
  part: z.enum(['gateway', 'picture', 'service']),
  name: z.string().nullable().describe('Which service.'),
  state: z.enum(['done', 'pending']),
  done_at: z.date().nullable(),
})

export const erasureSchema = z
  .object({ receipt_id: z.string(), erased_at: z.date(), done: z.boolean(), parts: z.array(part) })
  .meta({ id: 'Erasure' })

/** No login: its holder has no account any more. The receipt has 122 random bits, and the reply holds nothing personal. */
export function erasureRoutes({ find, limit }: { find: Erasures['find']; limit: Limit }): Route[] {
  return [
    route(
      {
        method: 'get',
        path: '/api/erasures/:receipt',
        tag: 'Profile',
        summary: 'How far an erasure is: what the gateway, its picture store and each service have done.',
        access: 'public',
        params: z.object({ receipt: z.guid() }),
        reply: erasureSchema,
        errors: ['A0404', 'A0501'],
      },
      async ({ params }, c) => {
        replyHeader(c, 'Cache-Control', 'no-store')
        await limit(c)
        const found = await find(params.receipt)
        if (!found) throw new GatewayError('A0404', { note: 'no such erasure' })
        return toErasure(found)
      },
    ),
  ]
}

function toErasure({ id, at, pictureAt, services }: ErasureState): z.input<typeof erasureSchema> {
  const partOf = (kind: 'gateway' | 'picture' | 'service', name: string | null, doneAt: Date | null) =>
    ({ part: kind, name, state: doneAt === null ? 'pending' : 'done', done_at: doneAt }) as const
  const parts = [
    partOf('gateway', null, at),
    partOf('picture', null, pictureAt),
    ...services.map(({ name, confirmed_at }) =>
      partOf('service', name, confirmed_at === null ? null : new Date(confirmed_at)),
    ),
  ]
  return { receipt_id: id, erased_at: at, done: parts.every(({ state }) => state === 'done'), parts }
}
