/** A service that keeps notes of users and hears of them by push: it deletes an erased user's notes and says so in its reply. */
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage } from 'node:http'
import { createVerifier, type SecurityEvent, VerifierError } from 'miniprogram-auth-gateway/verifier'

const { ISSUER = 'http://localhost:8080', AUDIENCE = ISSUER, PORT = '3000', DATA = './notes.json' } = process.env

const PURGED = 'https://schemas.openid.net/secevent/risc/event-type/account-purged'
const MAX_BODY_BYTES = 64 * 1024

const verifier = createVerifier({ issuer: ISSUER, audience: AUDIENCE })
await verifier.ready().catch((error: Error) => console.error(error.message))

/** A database of your own, in which notes and heard events change in one transaction; here a file that is replaced as a whole. */
type Data = { notes: Record<string, string[]>; heard: string[] }
const data: Data = (() => {
  try {
    return JSON.parse(readFileSync(DATA, 'utf8'))
  } catch {
    return { notes: {}, heard: [] }
  }
})()
function save(): void {
  writeFileSync(`${DATA}.new`, JSON.stringify(data))
  renameSync(`${DATA}.new`, DATA)
}

async function read(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > MAX_BODY_BYTES) throw new Error('the body is too large')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** Whether our part of an erasure is done. An event may come twice; deleting twice does no harm, other work needs `heard`. */
function hear(event: SecurityEvent): boolean {
  const purged = PURGED in event.events
  if (purged) delete data.notes[String(event.sub_id.sub)]
  if (!data.heard.includes(event.jti)) data.heard.push(event.jti)
  save()
  return purged
}

type Reply = { status: number; body?: unknown }

/** RFC 8935: 202 is "taken"; 400 with `err` is "never"; anything else is tried again. 200 with `done` is the gateway's own. */
async function receive(request: IncomingMessage): Promise<Reply> {
  try {
    const event = await verifier.verifyEvent(await read(request))
    return hear(event) ? { status: 200, body: { done: true } } : { status: 202 }
  } catch (error) {
    if (!(error instanceof VerifierError)) throw error
    // No keys just now: not the event's fault.
    if (error.status === 503) return { status: 503 }
    const err = error.code === 'audience_mismatch' ? 'invalid_audience' : 'invalid_request'
    return { status: 400, body: { err: error.code === 'key_unknown' ? 'invalid_key' : err, description: error.code } }
  }
}

async function notesOf(request: IncomingMessage): Promise<Reply> {
  try {
    const { sub } = await verifier.verify(/^Bearer (.+)$/i.exec(request.headers.authorization ?? '')?.[1])
    if (request.method === 'POST') {
      data.notes[sub] = [...(data.notes[sub] ?? []), await read(request)]
      save()
    }
    return { status: 200, body: { notes: data.notes[sub] ?? [] } }
  } catch (error) {
    if (error instanceof VerifierError) return { status: error.status, body: { reason: error.code } }
    throw error
  }
}

createServer(async (request, response) => {
  const answer = request.url === '/events' && request.method === 'POST' ? receive : notesOf
  const { status, body } = await answer(request).catch((error: unknown): Reply => {
    console.error(error)
    return { status: 500 }
  })
  response.writeHead(status, { 'Content-Type': 'application/json' })
  response.end(body === undefined ? '' : JSON.stringify(body))
}).listen(Number(PORT), '127.0.0.1')
