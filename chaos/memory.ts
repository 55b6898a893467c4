/** The memory of a replica that lives through the whole run: after its warm-up it must not grow. */

import { residentMegabytes } from '../bench/processes.ts'

const SAMPLE_EVERY_MS = 1000
/** Shorter runs only fill the young heap and the one-minute memory of login codes. */
const JUDGED_FROM_SECONDS = 150
const ALLOWED_GROWTH = 1.15
const ALLOWED_MEGABYTES = 15

export function watchMemory(pid: number) {
  const samples: number[] = []
  const timer = setInterval(() => samples.push(residentMegabytes(pid)), SAMPLE_EVERY_MS)

  return {
    /** What it says for the report, and whether it grew: the middle third of the run against the last. */
    stop(): { text: string; grew: boolean } {
      clearInterval(timer)
      const third = Math.floor(samples.length / 3)
      const [middle, last] = [median(samples.slice(third, 2 * third)), median(samples.slice(2 * third))]
      const judged = (samples.length * SAMPLE_EVERY_MS) / 1000 >= JUDGED_FROM_SECONDS
      const text = `${middle.toFixed(0)} MB in the middle third, ${last.toFixed(0)} MB in the last${judged ? '' : ' (too short a run to judge)'}`
      return { text, grew: judged && last > middle * ALLOWED_GROWTH + ALLOWED_MEGABYTES }
    },
  }
}

const median = (values: number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
