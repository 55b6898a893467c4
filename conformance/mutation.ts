/** Breaks copies of this gateway one line at a time, and looks whether the requirement that the line is for notices. */
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { Client } from 'pg'
import { ROOT, runMigrations } from '../chaos/site.ts'
import { startPostgres } from '../src/dev/services/postgres.ts'
import { startRedis } from '../src/dev/services/redis.ts'
import type { Service } from '../src/dev/services/service.ts'
import { type Edit, type Mutant, readMutants } from './mutants.ts'
import type { Profile } from './profile.ts'
import type { Requirement } from './requirement.ts'
import { runAll } from './run.ts'
import { startReplicas } from './site.ts'
import { type World, worldOf } from './world.ts'

/** What a gateway is made of. */
const COPIED = ['src', 'migrations', 'package.json']
const TEMPLATE = 'migrated'
const PATIENCE_SECONDS = 60

type Verdict = { caught: boolean; said: string }

/** Every mutant of these requirements; true when all were caught and none is missing. */
export async function runMutants(chosen: readonly Requirement[], profile: Profile, jobs: number): Promise<boolean> {
  const mutants = readMutants()
  const trials = chosen.flatMap((requirement) =>
    mutants.filter(({ breaks }) => breaks === requirement.id).map((mutant) => ({ requirement, mutant })),
  )
  const without = chosen.filter(({ id }) => !mutants.some(({ breaks }) => breaks === id)).map(({ id }) => id)
  const bench = await startBench(jobs)
  try {
    const unmet = await unmetUnbroken(
      trials.map(({ requirement }) => requirement),
      profile,
      await bench.storesFor(0),
    )
    print(`TAP version 14\n1..${trials.length + without.length}\n`)
    let caught = 0
    let number = 0
    const waiting = [...trials]
    async function work(slot: number): Promise<void> {
      for (let trial = waiting.shift(); trial; trial = waiting.shift()) {
        const startedAt = performance.now()
        const problem = unmet.get(trial.requirement.id) ?? problemsOf(trial.mutant)[0]
        const verdict = problem
          ? { caught: false, said: problem }
          : await tryMutant({ ...trial, profile, stores: await bench.storesFor(slot) })
        number += 1
        if (verdict.caught) caught += 1
        const { breaks, what } = trial.mutant
        const seconds = ((performance.now() - startedAt) / 1000).toFixed(0)
        print(`${verdict.caught ? 'ok' : 'not ok'} ${number} - ${breaks} ${what}\n# ${seconds} s: ${verdict.said}\n`)
      }
    }
    await Promise.all(Array.from({ length: jobs }, (_, slot) => work(slot)))
    for (const [index, id] of without.entries()) print(`not ok ${trials.length + index + 1} - ${id} has no mutant\n`)
    print(`# ${caught} of ${trials.length} mutants caught; requirements without one: ${without.join(', ') || 'none'}\n`)
    return caught === trials.length && without.length === 0
  } finally {
    await bench.stop()
  }
}

/** Requirements that the gateway does not meet as it is: that they are not met by a break of it shows nothing. */
async function unmetUnbroken(
  requirements: readonly Requirement[],
  profile: Profile,
  { databaseUrl, redisUrl }: Stores,
): Promise<Map<string, string>> {
  const site = await startReplicas({ root: ROOT, replicas: 2, profile, databaseUrl, redisUrl, migrate: false })
  try {
    const results = await runAll([...new Set(requirements)], worldOf(site, profile, PATIENCE_SECONDS), () => undefined)
    return new Map(
      results.flatMap(({ requirement: { id }, outcome }) =>
        outcome.kind === 'met' ? [] : [[id, `NOT MET UNBROKEN: ${JSON.stringify(outcome)}`]],
      ),
    )
  } finally {
    await site.stop()
  }
}

const print = (text: string) => void process.stdout.write(text)

/** A text that is not there exactly once was moved or changed: the mutant would break nothing, or something else. */
export function problemsOf({ breaks, edits }: Pick<Mutant, 'breaks' | 'edits'>): string[] {
  return edits.flatMap(({ file, from, to }) => {
    if (from === to) return [`${breaks}: ${file}: the mutant changes nothing`]
    const path = join(ROOT, file)
    if (!existsSync(path)) return [`LOST: ${breaks}: there is no ${file}`]
    const times = readFileSync(path, 'utf8').split(from).length - 1
    return times === 1
      ? []
      : [`LOST: ${breaks}: ${file} has this ${times} times instead of once: ${JSON.stringify(from)}`]
  })
}

type Stores = { databaseUrl: string; redisUrl: string; emptyDatabaseUrl: string }

/** One PostgreSQL and one Redis for all, with a database of its own for each mutant, copied from one that was migrated once. */
async function startBench(jobs: number) {
  const stores = await Promise.all([startPostgres(), startRedis({ args: ['--databases', String(jobs + 1)] })])
  const [postgres, redis] = stores
  const urlOf = (database: string) => postgres.url.replace(/[^/]*$/, database)
  await sql(postgres, `create database ${TEMPLATE}`)
  runMigrations(ROOT, { PATH: process.env.PATH ?? '', DATABASE_URL: urlOf(TEMPLATE) })
  let made = 0
  return {
    async storesFor(slot: number): Promise<Stores> {
      made += 1
      const [copy, empty] = [`mutant_${made}`, `mutant_${made}_empty`]
      await sql(postgres, `create database ${copy} template ${TEMPLATE}`)
      await sql(postgres, `create database ${empty}`)
      await emptied(`${redis.url}/${slot}`)
      return { databaseUrl: urlOf(copy), emptyDatabaseUrl: urlOf(empty), redisUrl: `${redis.url}/${slot}` }
    },
    stop: async () => void (await Promise.all(stores.map((service) => service.stop()))),
  }
}

/** What the mutant before kept there would be taken for this one's own. */
async function emptied(redisUrl: string): Promise<void> {
  const redis = new Redis(redisUrl)
  await redis.flushdb()
  await redis.quit()
}

async function sql(postgres: Service, text: string): Promise<void> {
  const client = new Client({ connectionString: postgres.url })
  await client.connect()
  await client.query(text)
  await client.end()
}

/** Carries the edits out in a copy of the source. */
export function breakTree(tree: string, edits: readonly Edit[]): void {
  for (const { file, from, to } of edits) {
    const path = join(tree, file)
    // A function, so that `$&` in a text means nothing.
    writeFileSync(
      path,
      readFileSync(path, 'utf8').replace(from, () => to),
    )
  }
}

type Trial = { requirement: Requirement; mutant: Mutant; profile: Profile; stores: Stores }

async function tryMutant({ requirement, mutant, profile, stores }: Trial): Promise<Verdict> {
  const tree = mkdtempSync(join(tmpdir(), 'gateway-mutant-'))
  try {
    for (const name of COPIED) cpSync(join(ROOT, name), join(tree, name), { recursive: true })
    symlinkSync(join(ROOT, 'node_modules'), join(tree, 'node_modules'))
    const { edits, replicas } = mutant
    breakTree(tree, edits)
    const migrate = edits.some(({ file }) => file.startsWith('migrations/'))
    const databaseUrl = migrate ? stores.emptyDatabaseUrl : stores.databaseUrl
    const site = await startReplicas({ root: tree, replicas, profile, databaseUrl, redisUrl: stores.redisUrl, migrate })
    try {
      return await verdictOf(requirement, mutant, worldOf(site, profile, PATIENCE_SECONDS))
    } finally {
      await site.stop()
    }
  } catch (error) {
    // A gateway that does not start shows nothing about the requirement.
    return { caught: false, said: error instanceof Error ? error.message : String(error) }
  } finally {
    rmSync(tree, { recursive: true, force: true })
  }
}

async function verdictOf(requirement: Requirement, { byDefect }: Mutant, world: World): Promise<Verdict> {
  const [result] = await runAll([requirement], world, () => undefined)
  const outcome = result?.outcome
  if (outcome?.kind !== 'unmet') return { caught: false, said: `SURVIVED: ${outcome?.kind}` }
  const said = `expected ${outcome.expected}; seen ${outcome.seen}`
  // B0001 is this gateway's word for a defect: the broken line fell over, and the requirement saw nothing of what it does.
  return outcome.seen.includes('B0001') && !byDefect
    ? { caught: false, said: `DEFECT: ${said}` }
    : { caught: true, said }
}
