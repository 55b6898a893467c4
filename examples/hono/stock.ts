/** The same service with Hono's own `jwk()`: ended sessions are let in until their token expires. */
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { jwk } from 'hono/jwk'
import type { HonoJsonWebKey } from 'hono/utils/jwt/jws'

const { ISSUER = 'http://localhost:8080', AUDIENCE = ISSUER, PORT = '3000' } = process.env

// jwk({ jwks_uri }) would fetch for every request; so the keys are fetched here, and kept for five minutes.
let keys: HonoJsonWebKey[] = []
let due = 0
async function loadKeys(): Promise<void> {
  if (Date.now() < due) return
  due = Date.now() + 5000 // While the gateway is away, one try in this time, and the old keys go on.
  const reply = await fetch(`${ISSUER}/.well-known/jwks.json`, { signal: AbortSignal.timeout(5000) })
  if (!reply.ok) throw new Error(`the JWKS is answered ${reply.status}`)
  keys = ((await reply.json()) as { keys: HonoJsonWebKey[] }).keys
  due = Date.now() + 300_000
}
await loadKeys().catch((error: Error) => console.error(error.message))

const app = new Hono<{ Variables: { jwtPayload: { sub: string } } }>()
// Before jwk(), which would turn a failed fetch into 401: a client that is told 401 logs its user out.
app.use('/orders/*', async (c, next) => {
  await loadKeys().catch(() => {})
  if (keys.length === 0) return c.text('the signing keys cannot be had', 503, { 'retry-after': '5' })
  return next()
})
app.use('/orders/*', jwk({ keys: () => keys, alg: ['ES256'], verification: { iss: ISSUER, aud: AUDIENCE } }))
app.get('/orders', (c) => c.json({ user_id: c.get('jwtPayload').sub }))

serve({ fetch: app.fetch, hostname: '127.0.0.1', port: Number(PORT) })
