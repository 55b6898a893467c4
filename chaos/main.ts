/** `npm run chaos`: kills and freezes everything around the gateway, and replicas of it, under load; prints what was survived. */

import { randomInt } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { parseArgs } from 'node:util'
import { runEventChaos } from './events.ts'
import { QUICK, runChaos } from './run.ts'
import { sampleEveryMs, soakPicture, soakTable } from './soak.ts'

const SOAK_USERS = 8
/** Long enough for the figures to come to rest between two faults. */
const SOAK_PAUSE_MS = [5000, 15_000] as const

const { values } = parseArgs({
  options: {
    seconds: { type: 'string' },
    seed: { type: 'string' },
    users: { type: 'string' },
    quick: { type: 'boolean', default: false },
    /** A long run with few users, drawn in a picture. */
    hours: { type: 'string' },
    picture: { type: 'string', default: '.data/soak.svg' },
    /** Only the way of events, at least so many of them. */
    events: { type: 'string' },
  },
})
const seed = Number(values.seed ?? randomInt(2 ** 31))
if (values.events !== undefined) {
  const events = Number(values.events)
  const rounds = Math.max(1, Math.round(events / 1000))
  const report = await runEventChaos({ events, seed, rounds, say: (line) => console.log(line) })
  console.log(report)
  process.exit(report.violations.length === 0 ? 0 : 1)
}
const isSoak = values.hours !== undefined
const forSeconds = isSoak
  ? Math.round(Number(values.hours) * 3600)
  : Number(values.seconds ?? (values.quick ? QUICK.seconds : 600))
console.log(
  `seed ${seed}: again with npm run chaos -- --seed ${seed} ${isSoak ? `--hours ${values.hours}` : `--seconds ${forSeconds}`}${values.quick ? ' --quick' : ''}`,
)

const { table, summary, violations, samples, faults, beganAt } = await runChaos({
  seconds: forSeconds,
  seed,
  users: Number(values.users ?? (isSoak ? SOAK_USERS : 24)),
  ...(isSoak ? { pauseMs: SOAK_PAUSE_MS, sampleEveryMs: sampleEveryMs(forSeconds) } : {}),
  ...(values.quick ? { maxFaultSeconds: QUICK.maxFaultSeconds, together: QUICK.together } : { maxFaultSeconds: 8 }),
  say: (line) => console.log(line),
})
console.log(`\n${table}\n\n${summary}\n`)
if (isSoak) {
  const title = `npm run chaos -- --hours ${values.hours}, seed ${seed}; grey: something is broken`
  mkdirSync(dirname(values.picture), { recursive: true })
  writeFileSync(values.picture, soakPicture({ title, samples, faults, beganAt }))
  console.log(`${soakTable(samples)}\n\nThe picture: ${values.picture}\n`)
}
for (const violation of violations) console.log(`VIOLATION  ${violation}`)
console.log(violations.length === 0 ? `survived (seed ${seed})` : `${violations.length} violations (seed ${seed})`)
process.exitCode = violations.length === 0 ? 0 : 1
