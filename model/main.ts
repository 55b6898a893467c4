/** `npm run model`: proves the promises of the models, and with `--mutants` that each broken design is caught. */
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { models } from './catalogue.ts'
import { prove, proveMutants, type Result } from './prove.ts'
import { missingTools } from './spin.ts'

const { values } = parseArgs({
  options: {
    mutants: { type: 'boolean', default: false },
    only: { type: 'string' },
    jobs: { type: 'string', default: String(Math.min(4, availableParallelism())) },
  },
})

const missing = await missingTools()
if (missing.length > 0) {
  console.error(`missing: ${missing.join(', ')}. Debian and Ubuntu: apt-get install spin gcc cpp libc6-dev`)
  process.exit(1)
}

const started = performance.now()
const { only } = values
const chosen = models.filter(({ name }) => only === undefined || name === only)
if (chosen.length === 0) {
  console.error(`no model ${only}: there are ${models.map(({ name }) => name).join(', ')}`)
  process.exit(2)
}
const say = (result: Result) => {
  console.log(result.text)
  for (const line of result.schedule) console.log(`      ${line}`)
}
const work = { models: chosen, jobs: Number(values.jobs), say }
const results = values.mutants ? await proveMutants(work) : await prove(work)
const failures = results.filter(({ ok }) => !ok)
const seconds = Math.round((performance.now() - started) / 1000)
console.log(`\n${results.length - failures.length} of ${results.length} as they should be, in ${seconds} s`)
for (const { text } of failures) console.log(`FAILED  ${text.trim()}`)
process.exitCode = failures.length === 0 ? 0 : 1
