/** A service that is told of events, as a process that can be killed: it verifies each, writes it down, and only then says that it has it. */
import { appendFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createVerifier, VerifierError } from '../src/sdk/verifier/verifier.ts'

const { PORT, ISSUER = '', BASE_URL = '', AUDIENCE = '', DATA = '' } = process.env

const verifier = createVerifier({ issuer: ISSUER, audience: AUDIENCE, baseUrl: BASE_URL })

createServer(async (request, response) => {
  const chunks: Buffer[] = []
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
  try {
    const { jti } = await verifier.verifyEvent(Buffer.concat(chunks).toString('utf8'))
    appendFileSync(DATA, `${jti}\n`)
    response.writeHead(202).end()
  } catch (error) {
    // No keys just now, or a key that is younger than ours: not the event's fault.
    const later = error instanceof VerifierError && (error.status === 503 || error.code === 'key_unknown')
    response.writeHead(later ? 503 : 400, { 'Content-Type': 'application/json' })
    response.end(JSON.stringify({ err: 'invalid_request', description: String(error) }))
  }
}).listen(Number(PORT), '127.0.0.1')
