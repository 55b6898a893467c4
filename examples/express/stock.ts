/** The same service with jose alone: ended sessions are let in until their token expires. */
import express from 'express'
import { createRemoteJWKSet, errors, jwtVerify } from 'jose'

const { ISSUER = 'http://localhost:8080', AUDIENCE = ISSUER, PORT = '3000' } = process.env

const keys = createRemoteJWKSet(new URL(`${ISSUER}/.well-known/jwks.json`))
const checks = {
  issuer: ISSUER,
  audience: AUDIENCE,
  algorithms: ['ES256'],
  typ: 'JWT',
  requiredClaims: ['exp', 'sub'],
}

const app = express()
app.use('/orders', async (request, response, next) => {
  const [, token = ''] = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '') ?? []
  try {
    response.locals.userId = (await jwtVerify(token, keys, checks)).payload.sub
  } catch (error) {
    // An outage is not the user's fault: a client that is told 401 logs its user out.
    if (isOutage(error)) response.status(503).set('Retry-After', '5').end()
    else response.status(401).set('WWW-Authenticate', 'Bearer error="invalid_token"').end()
    return
  }
  next()
})
app.get('/orders', (_request, response) => {
  response.json({ user_id: response.locals.userId })
})

app.listen(Number(PORT), '127.0.0.1')

/** The keys could not be had: the network's own error, a time-out, or a reply that is not a JWKS. */
function isOutage(error: unknown): boolean {
  if (!(error instanceof errors.JOSEError)) return true
  return ['ERR_JWKS_TIMEOUT', 'ERR_JWKS_INVALID', 'ERR_JOSE_GENERIC'].includes(error.code)
}
