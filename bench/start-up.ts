/** How long a contestant takes from its command to its first 200, and what it then occupies at rest. */

import { setTimeout as sleep } from 'node:timers/promises'
import { median } from './figures.ts'
import { residentMegabytes } from './processes.ts'
import type { Runner } from './runner.ts'

export type StartUp = { startMs: number; restMegabytes: number }

const REST_MS = 1000

/** Leaves every runner running. */
export async function measureStartUp(runners: Runner[], rounds: number): Promise<Map<string, StartUp>> {
  const samples = new Map(runners.map((runner) => [runner, [] as StartUp[]]))
  for (let round = 0; round < rounds; round += 1) {
    for (const [runner, taken] of samples) {
      await runner.stop()
      const startMs = await runner.start()
      await sleep(REST_MS)
      taken.push({ startMs, restMegabytes: residentMegabytes(runner.pid) })
    }
  }
  return new Map(
    [...samples].map(([runner, taken]) => [
      runner.contestant.name,
      {
        startMs: median(taken.map((sample) => sample.startMs)),
        restMegabytes: median(taken.map((sample) => sample.restMegabytes)),
      },
    ]),
  )
}
