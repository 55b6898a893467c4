/** `npm run chaos`: kills and freezes everything around the gateway, and replicas of it, under load; prints what was survived. */

import { randomInt } from 'node:crypto'
import { parseArgs } from 'node:util'
import { runEventChaos } from './events.ts'
import { QUICK, runChaos } from './run.ts'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string' },
    seed: { type: 'string' },
    users: { type: 'string', default: '24' },
    quick: { type: 'boolean', default: false },
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
const forSeconds = Number(values.seconds ?? (values.quick ? QUICK.seconds : 600))
console.log(
  `seed ${seed}: again with npm run chaos -- --seed ${seed} --seconds ${forSeconds}${values.quick ? ' --quick' : ''}`,
)

const { table, summary, violations } = await runChaos({
  seconds: forSeconds,
  seed,
  users: Number(values.users),
  ...(values.quick ? { maxFaultSeconds: QUICK.maxFaultSeconds, together: QUICK.together } : { maxFaultSeconds: 8 }),
  say: (line) => console.log(line),
})
console.log(`\n${table}\n\n${summary}\n`)
for (const violation of violations) console.log(`VIOLATION  ${violation}`)
console.log(violations.length === 0 ? `survived (seed ${seed})` : `${violations.length} violations (seed ${seed})`)
process.exitCode = violations.length === 0 ? 0 : 1
