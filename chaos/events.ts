/** No event is lost, and those of a user stay in order, while gateways, PostgreSQL and the service that is told are killed at any moment. */
import { randomUUID } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Client } from 'pg'
import { freePort, type Service, startService } from '../src/dev/services/service.ts'
import { createRandom, type Random } from './random.ts'
import { ISSUER, type Site, startSite } from './site.ts'

const OPERATOR = 'chaos-operator-0123456789-0123456789-0123'
const CHANGES = 7
const AT_ONCE = 16
const DRAIN_MS = 180_000

export const EVENT_FAULTS = ['replica 1', 'replica 2', 'PostgreSQL', 'the service'] as const

export type EventChaosOptions = {
  /** At least so many events; more when the faults take longer. */
  events: number
  seed: number
  /** Rounds of faults, each with one of every kind. */
  rounds: number
  say: (line: string) => void
}

export type EventChaosReport = {
  events: number
  /** Heard more than once, as is allowed. */
  repeats: number
  kills: number
  violations: string[]
}

export async function runEventChaos({ events, seed, rounds, say }: EventChaosOptions): Promise<EventChaosReport> {
  const random = createRandom(seed)
  const folder = mkdtempSync(join(tmpdir(), 'chaos-events-'))
  const heardFile = join(folder, 'heard')
  writeFileSync(heardFile, '')
  const port = await freePort()
  const site = await startSite({
    replicas: 2,
    environment: {
      EVENT_TARGETS: JSON.stringify([{ id: 'chaos', url: `http://127.0.0.1:${port}/`, audience: 'chaos' }]),
      ADMIN_TOKENS: `ops:admin:${OPERATOR}`,
    },
  })
  let target: Service | undefined
  try {
    target = await startTarget({ port, folder, heardFile, baseUrl: site.replicas[0]?.url ?? '' })
    let faulting = true
    const users: string[] = []
    const work = Array.from({ length: AT_ONCE }, async () => {
      while (faulting || users.length * (CHANGES + 3) < events) users.push(await live(site, random))
    })
    const kills = await causeFaults({ site, target, random, rounds, say })
    faulting = false
    await Promise.all(work)
    say(`${users.length} users lived; waiting until every event is delivered`)
    return { ...(await check({ site, users, heardFile })), kills }
  } finally {
    await target?.stop()
    await site.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

const startTarget = (parts: { port: number; folder: string; heardFile: string; baseUrl: string }): Promise<Service> =>
  startService({
    name: 'the service that is told',
    file: process.execPath,
    args: () => [fileURLToPath(new URL('event-target.ts', import.meta.url))],
    env: { PORT: String(parts.port), ISSUER, BASE_URL: parts.baseUrl, AUDIENCE: 'chaos', DATA: parts.heardFile },
    stopSignal: 'SIGTERM',
    probe: async (at) => void (await fetch(`http://127.0.0.1:${at}/`, { signal: AbortSignal.timeout(1000) })),
    url: (at) => `http://127.0.0.1:${at}`,
    port: parts.port,
    dataDir: parts.folder,
    removeData: () => undefined,
  })

/** One of each kind in every round, in an order of chance. */
async function causeFaults(parts: {
  site: Site
  target: Service
  random: Random
  rounds: number
  say: (line: string) => void
}): Promise<number> {
  const { site, target, random, rounds, say } = parts
  const services = {
    'replica 1': site.replicas[0]?.service,
    'replica 2': site.replicas[1]?.service,
    PostgreSQL: site.postgres,
    'the service': target,
  }
  let kills = 0
  await sleep(1000)
  for (let round = 0; round < rounds; round += 1) {
    for (const kind of random.shuffled(EVENT_FAULTS)) {
      await services[kind]?.kill()
      kills += 1
      await sleep(random.between(100, 1500))
      await services[kind]?.restart()
      say(`${kind} was killed and is back`)
      await sleep(random.between(300, 1500))
    }
  }
  return kills
}

/** A user comes, changes a few times and is suspended; every step is repeated on any replica until it is acknowledged. */
async function live(site: Site, random: Random): Promise<string> {
  const name = `user${randomUUID().slice(0, 8)}`
  async function until<T>(attempt: (replica: Site['replicas'][number]) => Promise<T | undefined>): Promise<T> {
    for (;;) {
      const replica = site.replicas[random.whole(site.replicas.length)]
      const done = replica && (await attempt(replica).catch(() => undefined))
      if (done !== undefined) return done
      await sleep(50)
    }
  }
  const send = async (url: string, method: string, body: unknown) => {
    const reply = await fetch(url, {
      method,
      headers: { 'content-type': 'application/json', authorization: `Bearer ${OPERATOR}` },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(5000),
    })
    const { code, data } = (await reply.json()) as { code: string; data: { user_id: string } | null }
    return code === '00000' ? (data ?? { user_id: '' }) : undefined
  }
  const { user_id: id } = await until((replica) =>
    send(`${replica.url}/api/login`, 'POST', { code: `dev:${name}:${randomUUID()}` }),
  )
  for (let n = 0; n < CHANGES; n += 1)
    await until((replica) => send(`${replica.adminUrl}/admin/users/${id}/roles`, 'PUT', { roles: [`r${n}`] }))
  await until((replica) => send(`${replica.adminUrl}/admin/users/${id}/suspend`, 'POST', {}))
  return id
}

type Row = { id: string; kind: string; user_id: string }

async function check({ site, users, heardFile }: { site: Site; users: readonly string[]; heardFile: string }) {
  const client = new Client({ connectionString: site.postgres.url })
  await client.connect()
  try {
    const violations: string[] = []
    const deadline = performance.now() + DRAIN_MS
    for (;;) {
      const { rows } = await client.query<{ state: string; n: number }>(
        'select state, count(*)::int as n from event_deliveries group by state',
      )
      if (rows.every(({ state }) => state === 'delivered')) break
      if (performance.now() > deadline) {
        violations.push(`not delivered: ${JSON.stringify(rows)}`)
        break
      }
      await sleep(500)
    }
    const { rows } = await client.query<Row>('select id, kind, user_id from events order by seq')
    const heard = readFileSync(heardFile, 'utf8').split('\n').slice(0, -1)
    /** When each was heard first. */
    const first = new Map<string, number>()
    heard.forEach((jti, at) => {
      if (!first.has(jti)) first.set(jti, at)
    })
    const lost = rows.filter(({ id }) => !first.has(id))
    if (lost.length > 0) violations.push(`${lost.length} of ${rows.length} events were lost`)
    for (const userId of users) violations.push(...problemsOf(userId, rows, first))
    return { events: rows.length, repeats: heard.length - first.size, violations: violations.slice(0, 20) }
  } finally {
    await client.end()
  }
}

/** What was acknowledged has its event, and the events were first heard in the order in which they happened. */
function problemsOf(userId: string, rows: readonly Row[], first: ReadonlyMap<string, number>): string[] {
  const own = rows.filter((row) => row.user_id === userId)
  const kinds = own.map(({ kind }) => kind).join(' ')
  const expected = new RegExp(
    `^user\\.created( session\\.ended)*( user\\.updated){${CHANGES}} user\\.suspended( session\\.ended)+$`,
  )
  const places = own.map(({ id }) => first.get(id) ?? 0)
  const inOrder = places.every((place, n) => n === 0 || place > (places[n - 1] ?? 0))
  return [
    ...(expected.test(kinds) ? [] : [`${userId}: ${kinds}`]),
    ...(inOrder ? [] : [`${userId}: heard out of order: ${places}`]),
  ]
}
