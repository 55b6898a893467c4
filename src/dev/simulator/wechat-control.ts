/** The simulator's own HTTP face, for programs that cannot call its functions: be a client, order a fault, read the counts. */
import { Hono } from 'hono'
import { z } from 'zod'
import type { SimulatorClient } from './wechat-client.ts'
import { type Permission, type Pushes, permissions } from './wechat-push.ts'
import { faultSchema } from './wechat-traffic.ts'

type Parts = SimulatorClient & Pushes & { apps: readonly { appid: string }[] }

export function controlRoutes(parts: Parts) {
  const routes = new Hono()
  const [first] = parts.apps
  const appid = z
    .string()
    .refine((id) => parts.apps.some((app) => app.appid === id), 'no such app')
    .default(first?.appid ?? '')
  const who = { appid, person: z.string().min(1).max(200) }
  const openData = {
    ...who,
    watermark: z.strictObject({ appid: z.string().optional(), timestamp: z.int().optional() }).optional(),
  }
  const text = z.string().optional()
  const profile = z.strictObject({
    nickName: text,
    gender: z.int().optional(),
    language: text,
    city: text,
    province: text,
    country: text,
    avatarUrl: text,
  })

  function post<T extends z.ZodType>(path: string, schema: T, act: (body: z.infer<T>) => object | Promise<object>) {
    routes.post(path, async (c) => {
      const body: unknown = await c.req.json().catch(() => undefined)
      const parsed = schema.safeParse(body)
      if (!parsed.success) return c.json({ error: z.prettifyError(parsed.error) }, 400)
      try {
        return c.json(await act(parsed.data))
      } catch (error) {
        return c.json({ error: error instanceof Error ? error.message : 'failed' }, 409)
      }
    })
  }

  post('/login', z.strictObject({ ...who, unionid: z.boolean().optional() }), ({ appid, person, unionid }) => ({
    code: parts.login(appid, person, { unionid }),
  }))
  const scope = z.enum(['snsapi_base', 'snsapi_userinfo', 'snsapi_login']).default('snsapi_userinfo')
  post(
    '/oauth-code',
    z.strictObject({ ...who, scope, snapshot: z.boolean().optional() }),
    ({ appid, person, ...consent }) => ({ code: parts.oauthCode(appid, person, consent) }),
  )
  const payment = { signData: z.string(), paySig: z.string(), signature: z.string() }
  post('/virtual-payment', z.strictObject({ ...who, ...payment }), ({ appid, person, ...given }) =>
    parts.requestVirtualPayment(appid, person, given),
  )
  post('/person', z.strictObject(who), ({ appid, person }) => ({
    openid: parts.openidOf(appid, person),
    unionid: parts.unionidOf(appid, person),
    session_key: parts.sessionKeyOf(appid, person),
  }))
  post('/phone-code', z.strictObject({ ...who, phone: text }), ({ appid, person, phone }) => ({
    code: parts.phoneCode(appid, person, phone),
  }))
  post(
    '/user-info',
    z.strictObject({ ...openData, profile: profile.optional(), unionid: z.boolean().optional() }),
    ({ appid, person, ...options }) => parts.userInfo(appid, person, options),
  )
  post('/phone-data', z.strictObject({ ...openData, phone: text }), ({ appid, person, ...options }) =>
    parts.phoneData(appid, person, options),
  )
  const permission = z.enum(Object.keys(permissions) as [Permission, ...Permission[]])
  post('/withdraw', z.strictObject({ ...who, what: z.array(permission).min(1) }), ({ appid, person, what }) =>
    parts.withdraw(appid, person, what),
  )
  post('/close-account', z.strictObject(who), ({ appid, person }) => parts.closeAccount(appid, person))
  post('/clean-profile', z.strictObject(who), ({ appid, person }) => parts.cleanProfile(appid, person))
  post('/push', z.strictObject({ appid, event: z.record(z.string(), z.unknown()) }), ({ appid, event }) =>
    parts.push(appid, event),
  )
  post('/handshake', z.strictObject({ appid }), async ({ appid }) => ({ ok: await parts.handshake(appid) }))
  post('/faults', faultSchema, (fault) => {
    parts.fail(fault)
    return { ordered: fault }
  })
  routes.delete('/faults', (c) => {
    parts.clearFaults()
    return c.body(null, 204)
  })
  routes.get('/calls', (c) => c.json({ calls: parts.receivedCalls() }))
  routes.get('/stats', (c) => c.json(parts.stats()))
  routes.delete('/stats', (c) => {
    parts.resetStats()
    return c.body(null, 204)
  })
  routes.all('/*', (c) => c.json({ error: 'the simulator has no such path' }, 404))
  return routes
}
