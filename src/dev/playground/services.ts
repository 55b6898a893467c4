/**
 * The services behind the gateway in `npm run dev`, somebody else's as far as it knows: orders, which also takes payments, and points.
 * Both hear of erasures, delete what they have of the user and confirm it; each can be switched off, as if it had been killed.
 */
import { createHmac } from 'node:crypto'
import { Hono } from 'hono'
import { z } from 'zod'
import { honoAuth } from '../../sdk/verifier/middleware.ts'
import { type AccessTokenClaims, createVerifier, type Verifier, VerifierError } from '../../sdk/verifier/verifier.ts'
import { SIMULATED_APP_KEY } from '../simulator/wechat-client.ts'

const PURGED = 'https://schemas.openid.net/secevent/risc/event-type/account-purged'
export const SERVICES = ['orders', 'points'] as const
type ServiceName = (typeof SERVICES)[number]

type Order = { id: number; title: string; cents: number }
const TEA: Order = { id: 1001, title: '乌龙茶 Oolong tea', cents: 6800 }
const JASMINE = { title: '茉莉花茶 Jasmine tea', cents: 600 }

/** The gateway's reply to `POST /internal/user-signature`. */
export type Sign = (body: object) => Promise<{ status: number; code: string; msg: string; signature?: string }>

export type ServicesParts = {
  /** Checks the access tokens of people; the services check events with one of their own. */
  verifier: Verifier
  issuer: string
  /** Where keys and lists are reached. */
  baseUrl: string
  appid: string
  /** By a token with the scope `sign`. */
  sign: Sign
}

/** The targets of EVENT_TARGETS that these services are. */
export const eventTargets = (baseUrl: string) =>
  SERVICES.map((id) => ({
    id,
    url: `${baseUrl}/playground/services/${id}/events`,
    audience: id,
    acknowledges: ['erasure'],
  }))

export function createServices({ verifier, issuer, baseUrl, appid, sign }: ServicesParts) {
  const bought = new Map<string, Order[]>()
  const points = new Map<string, number>()
  const kept: Record<ServiceName, Map<string, unknown>> = { orders: bought, points }
  const down = new Set<ServiceName>()
  const verifiers = new Map(SERVICES.map((id) => [id, createVerifier({ issuer, audience: id, baseUrl })]))
  let orders = TEA.id

  const business = new Hono<{ Variables: { auth: AccessTokenClaims } }>()
  business.use('*', honoAuth(verifier))
  business.use('*', async (c, next) => (down.has('orders') ? c.json({ error: 'unavailable' }, 503) : await next()))
  business.get('/orders', (c) => {
    const { sub, client_id: clientId } = c.get('auth')
    return c.json({ user: sub, through: clientId, orders: [TEA, ...(bought.get(sub) ?? [])] })
  })
  /** Answers what the program hands to wx.requestVirtualPayment, the strings as they are; holds neither session_key nor AppSecret. */
  business.post('/pay', async (c) => {
    const { sub } = c.get('auth')
    orders += 1
    const data = JSON.stringify({
      ...{ offerId: '123', buyQuantity: 1, env: 0, currencyType: 'CNY', productId: 'jasmine' },
      ...{ goodsPrice: JASMINE.cents, outTradeNo: `order-${orders}` },
    })
    const { status, code, msg, signature } = await sign({ user_id: sub, appid, data, verify: true })
    // A0240: the program is to log in anew, which renews the session_key, and to ask again.
    if (signature === undefined) return c.json({ code, msg, data: null }, status === 409 ? 409 : 502)
    bought.set(sub, [...(bought.get(sub) ?? []), { id: orders, ...JASMINE }])
    points.set(sub, (points.get(sub) ?? 0) + JASMINE.cents)
    const paySig = createHmac('sha256', SIMULATED_APP_KEY).update(`requestVirtualPayment&${data}`).digest('hex')
    return c.json({ signData: data, mode: 'short_series_goods', paySig, signature })
  })

  const services = new Hono()
  services.get('/', (c) =>
    c.json(
      SERVICES.map((id) => ({ id, down: down.has(id), people: kept[id].size })),
      200,
      {
        'Cache-Control': 'no-store',
      },
    ),
  )
  services.put('/:id', async (c) => {
    const id = SERVICES.find((name) => name === c.req.param('id'))
    const body = z.strictObject({ down: z.boolean() }).safeParse(await c.req.json().catch(() => undefined))
    if (!id) return c.json({ error: 'no such service' }, 404)
    if (!body.success) return c.json({ error: z.prettifyError(body.error) }, 400)
    if (body.data.down) down.add(id)
    else down.delete(id)
    return c.json(body.data)
  })
  /** RFC 8935, as examples/events has it: 202 is "taken", 200 with `done` is "taken, and deleted". */
  services.post('/:id/events', async (c) => {
    const id = SERVICES.find((name) => name === c.req.param('id'))
    if (!id) return c.json({ error: 'no such service' }, 404)
    if (down.has(id)) return c.json({ error: 'unavailable' }, 503)
    try {
      const event = await verifiers.get(id)?.verifyEvent(await c.req.text())
      if (!event || !(PURGED in event.events)) return c.body(null, 202)
      kept[id].delete(String(event.sub_id.sub))
      return c.json({ done: true })
    } catch (error) {
      if (!(error instanceof VerifierError)) throw error
      if (error.status === 503) return c.json({ error: 'unavailable' }, 503)
      return c.json({ err: 'invalid_request', description: error.code }, 400)
    }
  })

  return {
    business,
    services,
    close(): void {
      for (const one of verifiers.values()) one.close()
    },
  }
}
