/**
 * `node bench/scale.ts`: login and refresh beside databases of very different size, in alternating rounds on one machine, and what
 * purging a million expired sessions does to them.
 */

import { totalmem } from 'node:os'
import { parseArgs } from 'node:util'
import { createSealer } from '../src/server/crypto/seal.ts'
import { createRefreshTokens } from '../src/server/tokens/refresh-token.ts'
import { encryptionKey, gateway } from './contestants.ts'
import { failuresIn, type SavedRounds } from './figures.ts'
import { addExpired, populate, TABLES } from './population.ts'
import { residentMegabytes } from './processes.ts'
import { createProgress } from './progress.ts'
import { measurePurge, type Purge } from './purge.ts'
import { saveResult } from './results.ts'
import { createRunner, type Runner } from './runner.ts'
import { type ScaleResult, scaleTables, type Town } from './scale-report.ts'
import { enrol, measure, type Scenario } from './scenarios.ts'
import { type Site, startSite } from './site.ts'

const USAGE = `node bench/scale.ts [--users 1,100000,1000000] [--rounds n] [--seconds n] [--expired 1000000]
--users    one database for each size, the smallest first: every other is compared with it
--expired  how many expired sessions are purged from the largest; 0: none`

/**
 * How many people use a database that has fewer: one person alone would wait for their own row. Enough that nobody gathers more
 * than a few sessions in a run.
 */
const CROWD = 30_000
/** Sessions that take turns refreshing, picked at random over all. */
const REFRESHING = 60_000

/** More of them, and a million rows are gone before the end. */
const PURGE_ROUNDS = 2

type Place = Omit<Town, 'restMegabytes'> & { runner: Runner }

const options = readOptions()
const say = (text: string) => process.stderr.write(`${text}\n`)
const refreshTokens = createRefreshTokens({ sealer: createSealer([encryptionKey]) })
const places: Place[] = []
const SCENARIOS: Scenario[] = [
  {
    name: 'login',
    title: 'login, 256 connections',
    wechatDelayMs: 0,
    load: async ({ port, contestant }) => ({
      ports: [port],
      path: contestant.paths.login,
      kind: 'login',
      connections: 256,
      users: places.find(({ name }) => name === contestant.name)?.active ?? 0,
    }),
  },
  {
    name: 'refresh',
    title: 'refresh, 64 connections',
    wechatDelayMs: 0,
    load: async ({ port, contestant, databaseUrl }) => ({
      ports: [port],
      path: contestant.paths.refresh ?? '',
      kind: 'refresh',
      connections: 64,
      users: 0,
      refreshTokens: await sampleTokens(databaseUrl),
    }),
  },
]

// Where the PostgreSQL manual starts ("Resource Consumption"): a quarter of the memory, for all databases of the run together.
const sharedBuffersMegabytes = Math.round(totalmem() / 4 / 2 ** 20)
const site = await startSite({ shared_buffers: `${sharedBuffersMegabytes}MB` })
try {
  const result = await scale(site)
  console.log(scaleTables(result))
  saveResult('scale', result)
  const failures = failuresIn([...Object.values(result.scenarios), ...Object.values(result.purge?.scenarios ?? {})])
  if (failures > 0) {
    say(`${failures} requests failed: these figures count for nothing`)
    process.exitCode = 1
  }
} finally {
  await Promise.all(places.map(({ runner }) => runner.stop()))
  await site.stop()
}

async function scale(site: Site): Promise<ScaleResult> {
  for (const users of options.users) places.push(await build(site, users))
  // What the load left to write is written now, and every page touched from here on is logged in full once, as after any checkpoint.
  await site.sql(places[0]?.runner.databaseUrl ?? '', 'checkpoint')
  const scenarios: Record<string, SavedRounds> = {}
  for (const scenario of SCENARIOS) scenarios[scenario.name] = await runScenario(site, scenario)
  const towns = places.map(({ runner, ...town }) => ({ ...town, restMegabytes: residentMegabytes(runner.pid) }))
  const largest = places.at(-1)
  const purge = largest && options.expired > 0 ? await purgeFrom(site, largest) : undefined
  const { rounds, seconds } = options
  return { rounds, seconds, sharedBuffersMegabytes, towns, scenarios, ...(purge ? { purge } : {}) }
}

/** A migrated and filled database, and a gateway on it. */
async function build(site: Site, users: number): Promise<Place> {
  const name = `users-${users}`
  const runner = await createRunner({ ...gateway, name }, site)
  const progress = createProgress(`${users.toLocaleString('en')} users and sessions`, users * TABLES)
  await populate(runner.databaseUrl, { users, indexesBefore: options.expired }, progress.add)
  const loadSeconds = progress.seconds()
  await runner.start()
  await runner.check()
  // As many logins everywhere, so that every gateway's code is equally warm; the tables are analysed after them.
  await enrol(runner, site, CROWD)
  const [size] = await site.sql<{ megabytes: number }>(
    runner.databaseUrl,
    'select pg_database_size(current_database())::float8 / 1e6 as megabytes',
  )
  const active = Math.max(users, CROWD)
  return { name, users, active, loadSeconds, megabytes: size?.megabytes ?? Number.NaN, runner }
}

/** Every round asks every database, the next round in the opposite order. */
async function runScenario(site: Site, scenario: Scenario): Promise<SavedRounds> {
  const rounds: SavedRounds = Object.fromEntries(places.map(({ name }) => [name, []]))
  for (let round = 0; round < options.rounds; round += 1) {
    for (const { name, runner } of round % 2 === 0 ? places : places.toReversed()) {
      const sample = await measure(scenario, runner, site, options)
      rounds[name]?.push(sample)
      say(`${scenario.name} ${round + 1}/${options.rounds} ${name}: p99 ${sample?.p99Ms.toFixed(1)} ms`)
    }
  }
  return rounds
}

async function purgeFrom(site: Site, { runner }: Place): Promise<Purge> {
  const progress = createProgress(`${options.expired.toLocaleString('en')} expired sessions`, options.expired)
  await addExpired(runner.databaseUrl, options.expired, progress.add)
  await site.sql(runner.databaseUrl, 'checkpoint')
  const time = { ...options, rounds: Math.min(options.rounds, PURGE_ROUNDS) }
  return await measurePurge({ runner, site, scenarios: SCENARIOS, expired: options.expired }, time, say)
}

/** Of living sessions anywhere in the table. */
async function sampleTokens(databaseUrl: string): Promise<string[]> {
  const [size] = await site.sql<{ rows: number }>(
    databaseUrl,
    `select greatest(reltuples, 1)::float8 as rows from pg_class where oid = 'sessions'::regclass`,
  )
  const percent = Math.min(100, (100 * REFRESHING) / (size?.rows ?? 1))
  const sessions = await site.sql<{ id: string; refresh_counter: number }>(
    databaseUrl,
    `select id, refresh_counter from sessions tablesample bernoulli (${percent})
     where ended_at is null and idle_expires_at > now() + interval '1 hour'`,
  )
  return sessions.map(({ id, refresh_counter: counter }) => refreshTokens.mint({ sid: id, counter }))
}

function readOptions() {
  const { values } = parseArgs({
    options: {
      users: { type: 'string', default: '1,100000,1000000' },
      rounds: { type: 'string', default: '3' },
      seconds: { type: 'string', default: '5' },
      expired: { type: 'string', default: '1000000' },
      help: { type: 'boolean', default: false },
    },
  })
  const numbers = { rounds: Number(values.rounds), seconds: Number(values.seconds), expired: Number(values.expired) }
  const users = values.users.split(',').map(Number)
  const wrong = [...users, ...Object.values(numbers)].some((value) => !(value >= 0)) || users.includes(0)
  if (values.help || wrong) {
    console.error(USAGE)
    process.exit(values.help ? 0 : 2)
  }
  return { users: users.toSorted((a, b) => a - b), ...numbers, warmUpSeconds: 2 }
}
