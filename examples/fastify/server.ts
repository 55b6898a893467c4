/** A service on Fastify that checks tokens with the verifier SDK: an ended session is refused within seconds. */
import { fastify } from 'fastify'
import { type AccessTokenClaims, createVerifier } from 'miniprogram-auth-gateway/verifier'
import { fastifyAuth } from 'miniprogram-auth-gateway/verifier/middleware'

declare module 'fastify' {
  interface FastifyRequest {
    auth: AccessTokenClaims | null
  }
}

const { ISSUER = 'http://localhost:8080', AUDIENCE = ISSUER, PORT = '3000' } = process.env

const verifier = createVerifier({ issuer: ISSUER, audience: AUDIENCE })
// The service starts though the gateway may be away; until keys have come, requests are answered 503.
await verifier.ready().catch((error: Error) => console.error(error.message))

const app = fastify()
app.decorateRequest('auth', null)
app.addHook('onRequest', fastifyAuth(verifier))
app.get('/orders', async (request) => ({ user_id: request.auth?.sub }))

await app.listen({ host: '127.0.0.1', port: Number(PORT) })
