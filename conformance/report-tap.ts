/** The run as TAP version 14, with a summary in comments that a person reads. */
import { levelOf } from './requirement.ts'
import { fails, type Result } from './run.ts'

/** Text of a YAML block: JSON strings are YAML. */
const quoted = (text: string) => JSON.stringify(text)

export const tapHead = (count: number) => `TAP version 14\n1..${count}\n`

export function tapLine({ requirement, outcome, seconds }: Result, number: number, strict: boolean): string {
  const { id, text } = requirement
  const title = `${number} - ${id} ${text.replaceAll('#', '\\#')}`
  switch (outcome.kind) {
    case 'met':
      return `ok ${title}\n`
    case 'not offered':
      return `ok ${title} # SKIP ${outcome.reason}\n`
    default: {
      // A failed TODO fails no run (TAP 14, "TODO tests"): that is what a SHOULD is.
      const todo = levelOf(requirement) === 'SHOULD' && !strict ? ' # TODO a SHOULD' : ''
      const said =
        outcome.kind === 'unmet' ? { expected: outcome.expected, seen: outcome.seen } : { reason: outcome.reason }
      const block = Object.entries({ ...said, why: requirement.why, source: requirement.source })
      const lines = block.map(([name, value]) => `  ${name}: ${quoted(value)}\n`)
      return `not ok ${title}${todo}\n  ---\n${lines.join('')}  seconds: ${seconds.toFixed(1)}\n  ...\n`
    }
  }
}

export function tapSummary(results: readonly Result[], strict: boolean, name: string): string {
  const count = (kind: Result['outcome']['kind']) => results.filter(({ outcome }) => outcome.kind === kind).length
  const seconds = results.reduce((sum, result) => sum + result.seconds, 0)
  const lines = [
    '',
    `${name}: ${count('met')} met, ${count('unmet')} not met, ${count('not tested')} not tested, ${count('not offered')} not offered (${seconds.toFixed(0)} s)`,
  ]
  for (const result of results) {
    const { requirement, outcome } = result
    if (outcome.kind !== 'unmet' && outcome.kind !== 'not tested') continue
    const word = fails(result, strict) ? levelOf(requirement) : `${levelOf(requirement)}, no failure`
    lines.push('', `${requirement.id} (${word}) ${requirement.text}`)
    if (outcome.kind === 'unmet') lines.push(`  expected: ${outcome.expected}`, `  seen:     ${outcome.seen}`)
    else lines.push(`  not tested: ${outcome.reason}`)
  }
  return `${lines.map((line) => (line === '' ? '#' : `# ${line}`)).join('\n')}\n`
}
