/** A service on Hono that checks tokens with the verifier SDK: an ended session is refused within seconds. */
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { type AccessTokenClaims, createVerifier } from 'miniprogram-auth-gateway/verifier'
import { honoAuth } from 'miniprogram-auth-gateway/verifier/middleware'

const { ISSUER = 'http://localhost:8080', AUDIENCE = ISSUER, PORT = '3000' } = process.env

const verifier = createVerifier({ issuer: ISSUER, audience: AUDIENCE })
// The service starts though the gateway may be away; until keys have come, requests are answered 503.
await verifier.ready().catch((error: Error) => console.error(error.message))

const app = new Hono<{ Variables: { auth: AccessTokenClaims } }>()
app.use('/orders/*', honoAuth(verifier))
app.get('/orders', (c) => c.json({ user_id: c.get('auth').sub }))

serve({ fetch: app.fetch, hostname: '127.0.0.1', port: Number(PORT) })
