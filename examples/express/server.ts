/** A service on Express that checks tokens with the verifier SDK: an ended session is refused within seconds. */
import express from 'express'
import { type AccessTokenClaims, createVerifier } from 'miniprogram-auth-gateway/verifier'
import { expressAuth } from 'miniprogram-auth-gateway/verifier/middleware'

declare global {
  namespace Express {
    interface Request {
      auth?: AccessTokenClaims
    }
  }
}

const { ISSUER = 'http://localhost:8080', AUDIENCE = ISSUER, PORT = '3000' } = process.env

const verifier = createVerifier({ issuer: ISSUER, audience: AUDIENCE })
// The service starts though the gateway may be away; until keys have come, requests are answered 503.
await verifier.ready().catch((error: Error) => console.error(error.message))

const app = express()
app.use('/orders', expressAuth(verifier))
app.get('/orders', (request, response) => {
  response.json({ user_id: request.auth?.sub })
})

app.listen(Number(PORT), '127.0.0.1')
