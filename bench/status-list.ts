/**
 * `node bench/status-list.ts`: a million sessions, 1 % of them ended, in a real PostgreSQL: what building the list costs the
 * event loop, and what it weighs on the wire.
 */

import { generateKeyPairSync } from 'node:crypto'
import { performance } from 'node:perf_hooks'
import { systemClock } from '../src/clock.ts'
import { startPostgres } from '../src/dev/services-postgres.ts'
import { createSigner } from '../src/keys/signing-key.ts'
import { createStatusLists, type StatusLists } from '../src/revocation/publisher.ts'
import { createStatusStore } from '../src/revocation/store.ts'
import { createPostgres } from '../src/storage/database.ts'
import { migrate } from '../src/storage/migrate.ts'

const SESSIONS = 1_000_000
const ENDED_EVERY = 100
const ROUNDS = 5

const goals = { eventLoopMs: 50, longestPieceMs: 10, wireBytes: 20_000 }
const say = (text: string) => process.stderr.write(`${text}\n`)

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
  for (let round = 0; round < ROUNDS; round += 1) rounds.push(await measure())
  const [cold] = rounds
  const median = (of: (round: Figures) => number) =>
    rounds.map(of).sort((a, b) => a - b)[Math.floor(ROUNDS / 2)] ?? Number.NaN
  const found = {
    eventLoopMs: median((round) => round.eventLoopMs),
    longestPieceMs: median((round) => round.longestPieceMs),
    wireBytes: median((round) => round.wireBytes),
  }
  console.table(
    Object.entries(goals).map(([what, goal]) => ({
      what,
      cold: round1(cold?.[what as keyof Figures]),
      median: round1(found[what as keyof typeof goals]),
      goal: `< ${goal}`,
      met: found[what as keyof typeof goals] < goal,
    })),
  )
  console.log(JSON.stringify({ sessions: SESSIONS, endedEvery: ENDED_EVERY, goals, rounds }))
} finally {
  await database.close()
  await postgres.stop()
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
async function build(): Promise<{ lists: StatusLists; ended: number }> {
  const store = createStatusStore(database)
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const sign = createSigner('ES256', { ...privateKey.export({ format: 'jwk' }) })
  let ended = 0
  const lists = createStatusLists({
    store: {
      ...store,
      async *endedSince(since) {
        for await (const page of store.endedSince(since)) {
          ended += page.length
          yield page
        }
      },
    },
    ring: {
      sign: async (typ, payload) =>
        `${base64url(JSON.stringify({ alg: 'ES256', typ }))}.${base64url(payload)}.${await sign(payload)}`,
      list: () => [],
    },
    clock: systemClock,
    issuer: 'https://auth.example.com',
    ttlSeconds: 30,
    onError: (error) => say(String(error)),
  })
  await lists.poll()
  return { lists, ended }
}
function base64url(text: string): string {
  return Buffer.from(text).toString('base64url')
}

/** Once for the time that the loop was busy, and once more, with something always waiting for its turn, for the longest wait. */
async function measure(): Promise<Figures> {
  const before = performance.eventLoopUtilization()
  const startedAt = performance.now()
  const { lists, ended } = await build()
  const wallMs = performance.now() - startedAt
  const eventLoopMs = performance.eventLoopUtilization(before).active
  const published = lists.find(0)
  const longestPieceMs = await longestWait(build)
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

function round1(value: number | undefined): number {
  return Math.round((value ?? Number.NaN) * 10) / 10
}
