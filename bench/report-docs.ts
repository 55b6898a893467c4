/**
 * `node bench/report-docs.ts`: takes the newest result of each kind from bench/results/ into docs/performance-data/, and writes
 * their tables into docs/performance.md. `--only scale,replicas` takes those kinds, `--only ''` none: then it only writes again.
 */

import { copyFileSync, existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { roundsOf, type SavedRounds } from './figures.ts'
import type { Goal } from './goals.ts'
import { type ProfileResult, profileTable } from './profile-report.ts'
import { type ReplicaResult, replicaTables } from './replica-report.ts'
import { goalTable, scenarioTable, startUpTable } from './report.ts'
import { type Kind, RESULTS, type Saved } from './results.ts'
import { type ScaleResult, scaleTables } from './scale-report.ts'
import { COLD, SCENARIOS } from './scenarios.ts'
import type { StartUp } from './start-up.ts'
import { type StatusListCost, statusListTable } from './status-list.ts'
import { type VerifierCost, verifierTable } from './verifier.ts'
import { type Waiting, waitingTable } from './waiting.ts'

type BenchResult = {
  subject: string
  rounds: number
  seconds: number
  startUp: Record<string, StartUp>
  results: Record<string, SavedRounds>
  goals: Goal[]
  waiting?: Waiting
  verifier?: VerifierCost
  statusLists?: StatusListCost
}

type Results = {
  bench: BenchResult
  peers: BenchResult
  scale: ScaleResult
  replicas: ReplicaResult
  profile: ProfileResult
}

/** What was measured, by kind; a kind that was not is missing. */
export type Data = { [K in Kind]?: Saved & Results[K] }

const KINDS = ['bench', 'peers', 'scale', 'replicas', 'profile'] as const
const MARKED = /<!-- bench (\w+) -->\n[\s\S]*?<!-- \/bench -->/g
const DATA = fileURLToPath(new URL('../docs/performance-data/', import.meta.url))
export const PAGE = fileURLToPath(new URL('../docs/performance.md', import.meta.url))

/** The page with every marked block made anew from the data. */
export function filled(page: string, data: Data): string {
  return page.replaceAll(MARKED, (_, kind: string) => {
    if (!isKind(kind)) throw new Error(`there is no kind of result called ${kind}`)
    return `<!-- bench ${kind} -->\n${blockOf(kind, data)}\n<!-- /bench -->`
  })
}

function blockOf(kind: Kind, data: Data): string {
  const saved = data[kind]
  if (!saved) return '*Not measured yet.*'
  const { at, machine } = saved
  const on = `${machine.cores} cores of ${machine.cpu}, ${machine.memoryGigabytes} GB, Node.js ${machine.node}`
  return `Measured ${at.slice(0, 16).replace('T', ' ')} UTC on ${on}.\n\n\`\`\`\n${tables(kind, data).trim()}\n\`\`\``
}

function tables(kind: Kind, { bench, peers, scale, replicas, profile }: Data): string {
  if (kind === 'bench' && bench) return benchTables(bench)
  if (kind === 'peers' && peers) return benchTables(peers)
  if (kind === 'scale' && scale) return scaleTables(scale)
  if (kind === 'replicas' && replicas) return replicaTables(replicas)
  return profile ? profileTable(profile) : ''
}

function benchTables({ subject, startUp, results, goals, waiting, verifier, statusLists }: BenchResult): string {
  const started = Object.keys(startUp).length > 0 ? [startUpTable(new Map(Object.entries(startUp)))] : []
  const scenarios = [...SCENARIOS, COLD].flatMap((scenario) => {
    const saved = results[scenario.name]
    return saved ? [scenarioTable(scenario, roundsOf(saved))] : []
  })
  const others = [
    ...(waiting ? [waitingTable(waiting)] : []),
    ...(verifier ? [verifierTable(verifier)] : []),
    ...(statusLists ? [statusListTable(statusLists)] : []),
  ]
  return [...started, ...scenarios, ...others, goalTable(goals, subject)].join('\n')
}

/** What the page is made from. */
export function readData(): Data {
  const files = KINDS.map((kind) => `${DATA}${kind}.json`).filter((file) => existsSync(file))
  return Object.fromEntries(
    files.map((file) => {
      const saved: Saved = JSON.parse(readFileSync(file, 'utf8'))
      return [saved.kind, saved]
    }),
  )
}

const isKind = (text: string): text is Kind => KINDS.some((kind) => kind === text)

function takeNewest(kind: Kind) {
  // The time in their names sorts.
  const newest = globSync(`${RESULTS}${kind}-*.json`).toSorted().at(-1)
  if (newest === undefined) return
  mkdirSync(DATA, { recursive: true })
  copyFileSync(newest, `${DATA}${kind}.json`)
  process.stderr.write(`${newest}\n`)
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { only: { type: 'string', default: KINDS.join(',') } } })
  for (const kind of values.only.split(',').filter(isKind)) takeNewest(kind)
  writeFileSync(PAGE, filled(readFileSync(PAGE, 'utf8'), readData()))
}
