/**
 * `node bench/status-list.ts`: a million sessions, 1 % of them ended, in a real PostgreSQL: what building the list costs the
 * event loop, and what it weighs on the wire.
 */

import { generateKeyPairSync } from 'node:crypto'
import { performance } from 'node:perf_hooks'
import { startPostgres } from '../src/dev/services/postgres.ts'
import { systemClock } from '../src/server/clock.ts'
import { createSigner } from '../src/server/keys/signing-key.ts'
import { createStatusLists, type StatusLists } from '../src/server/revocation/publisher.ts'
import { createStatusStore } from '../src/server/revocation/store.ts'
import { createPostgres, type Database } from '../src/server/storage/database.ts'
import { migrate } from '../src/server/storage/migrate.ts'
import { median } from './figures.ts'
import { type Goal, goalsOf } from './goals.ts'
import { goalTable, table } from './report.ts'

const SESSIONS = 1_000_000
const ENDED_EVERY = 100
const ROUNDS = 5

const say = (text: string) => process.stderr.write(`${text}\n`)

export type StatusListCost = { sessions: number; endedEvery: number; rounds: Figures[] }

export async function measureStatusLists(): Promise<StatusListCost> {
  const postgres = await startPostgres()
  const database = createPostgres({ url: postgres.url, poolMax: 2, queryTimeoutMs: 120_000 })
  try {
    await migrate(database.kysely)
    say(`filling the table with ${SESSIONS} sessions …`)
    // Which of them ended is spread at random, as in life: that is what compresses worst.
    await database.run(
      {
        name: 'fill',
        text: `insert into sessions (id, user_id, platform, appid, openid, created_at, refreshed_at, last_used_at, idle_expires_at, expires_at, ended_at)
        select gen_random_uuid(), gen_random_uuid(), 'wechat', 'a', 'o', now(), now(), now(), now() + interval '30 days', now() + interval '180 days',
          case when random() < 1.0 / $2::int then now() - random() * interval '7 days' end from generate_series(1, $1::int)`,
      },
      [SESSIONS, ENDED_EVERY],
    )
    await database.run({ name: 'analyze', text: 'vacuum analyze sessions' }, [])
    const rounds: Figures[] = []
    for (let round = 0; round < ROUNDS; round += 1) rounds.push(await measure(database))
    return { sessions: SESSIONS, endedEvery: ENDED_EVERY, rounds }
  } finally {
    await database.close()
    await postgres.stop()
  }
}

export function statusListGoals({ rounds }: StatusListCost): Goal[] {
  const of = (what: keyof Figures) => median(rounds.map((round) => round[what]))
  return goalsOf([
    { what: 'status list of a million sessions: event loop, ms', atMost: 50, found: of('eventLoopMs') },
    { what: 'status list: longest piece, ms', atMost: 10, found: of('longestPieceMs') },
    { what: 'status list: on the wire, bytes', atMost: 20_000, found: of('wireBytes') },
  ])
}

export function statusListTable({ sessions, endedEvery, rounds }: StatusListCost): string {
  const row = (what: string, value: keyof Figures) => [
    what,
    (rounds[0]?.[value] ?? Number.NaN).toFixed(0),
    median(rounds.map((round) => round[value])).toFixed(0),
  ]
  return `\nstatus list, ${sessions.toLocaleString('en')} sessions, one in ${endedEvery} ended\n${table([
    ['', 'first', 'median'],
    row('event loop, ms', 'eventLoopMs'),
    row('longest piece, ms', 'longestPieceMs'),
    row('from start to end, ms', 'wallMs'),
    row('on the wire (gzip), bytes', 'wireBytes'),
    row('plain, bytes', 'plainBytes'),
  ])}`
}

type Figures = {
  eventLoopMs: number
  longestPieceMs: number
  wallMs: number
  wireBytes: number
  plainBytes: number
  ended: number
}

/** A replica's start: read all that ended, compress, sign. */
async function build(database: Database): Promise<{ lists: StatusLists; ended: number }> {
  const store = createStatusStore(database)
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const sign = createSigner('ES256', { ...privateKey.export({ format: 'jwk' }) })
  let ended = 0
  const lists = createStatusLists({
    store: {
      ...store,
      async *ended(since) {
        for await (const page of store.ended(since)) {
          ended += page.length
          yield page
        }
      },
    },
    ring: {
      sign: async (typ, payload) =>
        `${base64url(JSON.stringify({ alg: 'ES256', typ }))}.${base64url(payload)}.${await sign(payload)}`,
      list: () => [],
      maySign: () => true,
    },
    clock: systemClock,
    issuer: 'https://auth.example.com',
    ttlSeconds: 30,
    handedOut: { kept: async () => ({ place: 0, server: undefined }), keep: async () => undefined },
    onPutBack: () => undefined,
    onError: (error) => say(String(error)),
  })
  await lists.poll()
  return { lists, ended }
}
function base64url(text: string): string {
  return Buffer.from(text).toString('base64url')
}

/** Once for the time that the loop was busy, and once more, with something always waiting for its turn, for the longest wait. */
async function measure(database: Database): Promise<Figures> {
  const before = performance.eventLoopUtilization()
  const startedAt = performance.now()
  const { lists, ended } = await build(database)
  const wallMs = performance.now() - startedAt
  const eventLoopMs = performance.eventLoopUtilization(before).active
  const published = lists.find(0)
  const longestPieceMs = await longestWait(() => build(database))
  return {
    eventLoopMs,
    longestPieceMs,
    wallMs,
    wireBytes: published?.gzipped.length ?? 0,
    plainBytes: published?.jwt.length ?? 0,
    ended,
  }
}

async function longestWait(work: () => Promise<unknown>): Promise<number> {
  let longest = 0
  let last = performance.now()
  let running = true
  const look = () => {
    const now = performance.now()
    longest = Math.max(longest, now - last)
    last = now
    if (running) setImmediate(look)
  }
  setImmediate(look)
  await work()
  running = false
  return longest
}

if (import.meta.main) {
  const cost = await measureStatusLists()
  console.log(statusListTable(cost))
  console.log(goalTable(statusListGoals(cost), 'the status list'))
}
