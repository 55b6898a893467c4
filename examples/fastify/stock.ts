/** The same service with jose alone: ended sessions are let in until their token expires. */
import { fastify } from 'fastify'
import { createRemoteJWKSet, errors, jwtVerify } from 'jose'

declare module 'fastify' {
  interface FastifyRequest {
    userId: string
  }
}

const { ISSUER = 'http://localhost:8080', AUDIENCE = ISSUER, PORT = '3000' } = process.env

const keys = createRemoteJWKSet(new URL(`${ISSUER}/.well-known/jwks.json`))
const checks = {
  issuer: ISSUER,
  audience: AUDIENCE,
  algorithms: ['ES256'],
  typ: 'JWT',
  requiredClaims: ['exp', 'sub'],
}

const app = fastify()
app.decorateRequest('userId', '')
app.addHook('onRequest', async (request, reply) => {
  const [, token = ''] = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '') ?? []
  try {
    request.userId = (await jwtVerify(token, keys, checks)).payload.sub ?? ''
  } catch (error) {
    // An outage is not the user's fault: a client that is told 401 logs its user out.
    if (isOutage(error)) return reply.code(503).header('Retry-After', '5').send()
    return reply.code(401).header('WWW-Authenticate', 'Bearer error="invalid_token"').send()
  }
})
app.get('/orders', async (request) => ({ user_id: request.userId }))

await app.listen({ host: '127.0.0.1', port: Number(PORT) })

/** The keys could not be had: the network's own error, a time-out, or a reply that is not a JWKS. */
function isOutage(error: unknown): boolean {
  if (!(error instanceof errors.JOSEError)) return true
  return ['ERR_JWKS_TIMEOUT', 'ERR_JWKS_INVALID', 'ERR_JOSE_GENERIC'].includes(error.code)
}
