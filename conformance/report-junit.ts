/** The run as JUnit XML, for the CI systems that read nothing else. */
import { levelOf, type Section } from './requirement.ts'
import { fails, type Result } from './run.ts'

// XML 1.0 knows no control characters but these three, not even escaped.
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out.
const FORBIDDEN = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g

const escaped = (text: string) =>
  text
    .toWellFormed()
    .replace(FORBIDDEN, '\ufffd')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')

function testCase(result: Result, title: string, strict: boolean): string {
  const { requirement, outcome, seconds } = result
  const head = `    <testcase classname="${escaped(title)}" name="${escaped(`${requirement.id} ${requirement.text}`)}" time="${seconds.toFixed(3)}"`
  if (outcome.kind === 'met') return `${head}/>`
  const body =
    outcome.kind === 'unmet'
      ? `expected: ${outcome.expected}\nseen: ${outcome.seen}\nwhy: ${requirement.why}`
      : outcome.reason
  // JUnit has no word for a SHOULD that is not met: skipped, with the reason.
  const element = fails(result, strict) ? 'failure' : 'skipped'
  const message = escaped(body.split('\n').slice(0, 2).join('; '))
  return `${head}>\n      <${element} type="${levelOf(requirement)}" message="${message}">${escaped(body)}</${element}>\n    </testcase>`
}

export function junit(results: readonly Result[], sections: readonly Section[], strict: boolean, name: string): string {
  const suites = sections.flatMap(({ title, requirements }) => {
    const own = results.filter(({ requirement }) => requirements.includes(requirement))
    if (own.length === 0) return []
    const failures = own.filter((result) => fails(result, strict)).length
    const skipped = own.filter((result) => result.outcome.kind !== 'met').length - failures
    const time = own.reduce((sum, { seconds }) => sum + seconds, 0).toFixed(3)
    const head = `  <testsuite name="${escaped(title)}" tests="${own.length}" failures="${failures}" skipped="${skipped}" errors="0" time="${time}">`
    return [head, ...own.map((result) => testCase(result, title, strict)), '  </testsuite>']
  })
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="${escaped(name)}">`,
    ...suites,
    '</testsuites>',
    '',
  ].join('\n')
}
