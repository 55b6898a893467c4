/** The two example services that hear of a withdrawal: both delete and confirm, and one that was killed does so when it is back. */
import { spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { freePort, type Service, startService } from '../src/dev/services/service.ts'
import { buildSdk, type Gateway, startGateway } from './services.test-support.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const TOKEN = 'files-service-token-0123456789-0123456789'
/** The SDK wants a newer PyJWT than Debian has. */
const missing =
  spawnSync('sh', [join(root, 'sdks/python/setup.sh')]).status === 0
    ? undefined
    : "the Python SDK's packages cannot be had"
if (missing !== undefined)
  console.warn(`\n  ####\n  #### SKIPPED: the examples of events did not run: ${missing}\n  ####\n`)

let folder: string
let gateway: Gateway
let notes: Service
let files: Service

beforeAll(async () => {
  if (missing !== undefined) return
  buildSdk()
  folder = mkdtempSync(join(tmpdir(), 'example-events-'))
  const port = await freePort()
  gateway = await startGateway((issuer) => ({
    EVENT_TARGETS: JSON.stringify([
      { id: 'notes', url: `http://127.0.0.1:${port}/events`, audience: issuer, acknowledges: ['erasure'] },
      { id: 'files', audience: issuer, acknowledges: ['erasure'] },
    ]),
    ADMIN_TOKENS: `files:events@files:${TOKEN}`,
  }))
  const own = {
    readyTimeoutMs: 60_000,
    stopSignal: 'SIGTERM',
    url: (at: number) => `http://127.0.0.1:${at}`,
    dataDir: folder,
  } as const
  const env = { ISSUER: gateway.issuer, AUDIENCE: gateway.audience }
  notes = await startService({
    ...own,
    name: 'the Node service',
    file: process.execPath,
    args: () => [join(root, 'examples/events/service.ts')],
    env: { ...env, PORT: String(port), DATA: join(folder, 'notes.json') },
    port,
    probe: async (at) => void (await fetch(`http://127.0.0.1:${at}/`, { signal: AbortSignal.timeout(2000) })),
    removeData: () => undefined,
  })
  files = await startService({
    ...own,
    name: 'the Python service',
    file: join(root, 'sdks/python/.venv/bin/python'),
    args: () => ['-B', join(root, 'examples/events/service.py')],
    env: { ...env, GATEWAY: gateway.internalUrl, TOKEN, TARGET: 'files', DATA: join(folder, 'files') },
    probe: async () => {
      if (!existsSync(join(folder, 'files'))) throw new Error('not there yet')
    },
    removeData: () => undefined,
  })
}, 240_000)

afterAll(async () => {
  await Promise.all([notes?.stop(), files?.stop(), gateway?.service.stop()])
  if (folder) rmSync(folder, { recursive: true, force: true })
})

async function call(url: string, init: RequestInit): Promise<{ status: number; body: never }> {
  const reply = await fetch(url, init)
  return { status: reply.status, body: (await reply.json()) as never }
}

/** A person with a note at one service and a file at the other, who then closes the account; answers the receipt. */
async function leave(): Promise<{ userId: string; receipt: string; file: string }> {
  const { token, userId } = await gateway.login()
  const authorization = `Bearer ${token}`
  if (await alive(notes))
    await fetch(`${notes.url}/notes`, { method: 'POST', headers: { authorization }, body: 'milk' })
  mkdirSync(join(folder, 'files'), { recursive: true })
  const file = join(folder, 'files', userId)
  writeFileSync(file, 'a picture')
  const { body } = await call(`${gateway.issuer}/api/user`, {
    method: 'DELETE',
    headers: { authorization, 'content-type': 'application/json' },
    body: JSON.stringify({ code: `dev:alice:${randomUUID()}` }),
  })
  return { userId, file, receipt: (body as { data: { receipt_id: string } }).data.receipt_id }
}
const alive = async (service: Service) =>
  await fetch(service.url, { signal: AbortSignal.timeout(1000) }).then(
    () => true,
    () => false,
  )

async function statesOf(receipt: string): Promise<Record<string, string>> {
  const { body } = await call(`${gateway.issuer}/api/erasures/${receipt}`, {})
  const { parts } = (body as { data: { parts: { name: string | null; state: string }[] } }).data
  return Object.fromEntries(parts.flatMap(({ name, state }) => (name === null ? [] : [[name, state]])))
}
const eventually = (check: () => Promise<void>) => vi.waitFor(check, { timeout: 45_000, interval: 200 })

test.skipIf(missing !== undefined && !process.env.CI)(
  'both delete what they have of an erased user, and both confirm it',
  async () => {
    const { receipt, file } = await leave()
    await eventually(async () => expect(await statesOf(receipt)).toEqual({ notes: 'done', files: 'done' }))
    expect(existsSync(file)).toBe(false)
  },
  60_000,
)

test.skipIf(missing !== undefined && !process.env.CI)(
  'with one of them killed the receipt says one of two, and two of two when it is back',
  async () => {
    await notes.kill()
    const { receipt, file } = await leave()
    await eventually(async () => expect(await statesOf(receipt)).toEqual({ notes: 'pending', files: 'done' }))
    expect(existsSync(file)).toBe(false)
    await notes.restart()
    await eventually(async () => expect(await statesOf(receipt)).toEqual({ notes: 'done', files: 'done' }))
  },
  120_000,
)

test.skipIf(missing !== undefined && !process.env.CI)('a forged event deletes nothing', async () => {
  const { token } = await gateway.login()
  const reply = await call(`${notes.url}/events`, { method: 'POST', body: token })
  expect([reply.status, reply.body]).toEqual([400, { err: 'invalid_request', description: 'type_mismatch' }])
})
