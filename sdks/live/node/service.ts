/** The example service of sdks/live in Node: GET /me answers with the user of the token. ISSUER, AUDIENCE and PORT configure it. */

import { createServer } from 'node:http'
import { createVerifier, VerifierError } from '../../../src/sdk/verifier/verifier.ts'

const { ISSUER = '', AUDIENCE = '', PORT } = process.env
const verifier = createVerifier({ issuer: ISSUER, audience: AUDIENCE })
await verifier.ready().catch((error: Error) => console.error(error.message))

async function me(authorization: string | undefined): Promise<{ status: number; body: object }> {
  try {
    const { sub } = await verifier.verify(authorization?.replace(/^Bearer +/i, ''))
    return { status: 200, body: { sub } }
  } catch (error) {
    if (!(error instanceof VerifierError)) throw error
    return { status: error.status, body: { reason: error.code } }
  }
}

createServer(async (request, response) => {
  const { status, body } = await me(request.headers.authorization)
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}).listen(Number(PORT), '127.0.0.1')
