/** Where the figures of a run go, beside what it ran on: one JSON file a run, the kind of run in its name. */

import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import { fileURLToPath } from 'node:url'

/** `peers` is a `bench` beside what others offer. */
export type Kind = 'bench' | 'peers' | 'scale' | 'replicas' | 'profile'

export type Machine = { node: string; cpu: string; cores: number; memoryGigabytes: number }

/** What every file has, whatever its kind. */
export type Saved = { kind: Kind; at: string; machine: Machine }

export const RESULTS = fileURLToPath(new URL('results/', import.meta.url))

export function saveResult(kind: Kind, result: Record<string, unknown>) {
  const at = new Date().toISOString()
  const machine: Machine = {
    node: process.version,
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryGigabytes: Math.round(totalmem() / 1e9),
  }
  mkdirSync(RESULTS, { recursive: true })
  const file = `${RESULTS}${kind}-${at.replaceAll(':', '-')}.json`
  writeFileSync(file, `${JSON.stringify({ kind, at, machine, ...result }, null, 2)}\n`)
  process.stderr.write(`${file}\n`)
}
