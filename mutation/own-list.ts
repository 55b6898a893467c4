/** Breaks copies of the source as mutants.txt says, and runs the tests that must notice. */
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ROOT } from '../chaos/site.ts'
import { blocksOf, type Edit, editsOf } from '../conformance/mutants.ts'
import { breakTree, problemsOf } from '../conformance/mutation.ts'

export type OwnMutant = {
  breaks: string
  project: 'embedded' | 'real'
  tests: string
  what: string
  edits: Edit[]
}

const COPIED = ['src', 'migrations', 'bench', 'package.json', 'tsconfig.json', 'vitest.config.ts']
/** Enough for each mutant of the list: most fall within ten. */
const TRACES = '300'
const TIMEOUT_MS = 600_000
const HEAD = /^([A-Z0-9_]+) on (embedded|real) (\S+): (.+)$/

export const readOwnMutants = (): OwnMutant[] =>
  blocksOf(readFileSync(new URL('mutants.txt', import.meta.url), 'utf8')).map(([head = '', ...lines]) => {
    const [, breaks, project, tests, what] = HEAD.exec(head) ?? []
    if (breaks === undefined || tests === undefined || what === undefined)
      throw new Error(`mutation/mutants.txt: not a mutant: ${head}`)
    return { breaks, project: project === 'real' ? 'real' : 'embedded', tests, what, edits: editsOf(breaks, lines) }
  })

/** What is wrong with the list: a text that was moved, tests that are not there. */
export const problemsOfList = (mutants: readonly OwnMutant[]): string[] =>
  mutants.flatMap((mutant) => [
    ...problemsOf(mutant),
    ...(existsSync(join(ROOT, mutant.tests)) ? [] : [`LOST: ${mutant.breaks}: there is no ${mutant.tests}`]),
  ])

/** Every mutant whose name begins so; true when all were caught. */
export function runOwnList(only: string | undefined): boolean {
  const chosen = readOwnMutants().filter(({ breaks }) => breaks.startsWith(only ?? ''))
  let caught = 0
  for (const mutant of chosen) {
    const startedAt = performance.now()
    const [problem] = problemsOfList([mutant])
    const verdict = problem === undefined ? tryMutant(mutant) : { caught: false, said: problem }
    if (verdict.caught) caught += 1
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(0)
    const mark = verdict.caught ? 'caught  ' : 'SURVIVED'
    process.stdout.write(`${mark} ${mutant.breaks}: ${mutant.what}\n         ${seconds} s: ${verdict.said}\n`)
  }
  process.stdout.write(`${caught} of ${chosen.length} mutants of the list caught\n`)
  return chosen.length > 0 && caught === chosen.length
}

function tryMutant({ project, tests, edits }: OwnMutant): { caught: boolean; said: string } {
  const tree = mkdtempSync(join(tmpdir(), 'gateway-own-mutant-'))
  try {
    for (const name of COPIED) cpSync(join(ROOT, name), join(tree, name), { recursive: true })
    symlinkSync(join(ROOT, 'node_modules'), join(tree, 'node_modules'))
    breakTree(tree, edits)
    const report = join(tree, 'report.json')
    const args = ['run', '--project', project, '--maxWorkers=1', '--reporter=json', `--outputFile=${report}`, tests]
    const env = { ...process.env, TRACES }
    spawnSync(join(ROOT, 'node_modules/.bin/vitest'), args, { cwd: tree, env, timeout: TIMEOUT_MS, stdio: 'ignore' })
    return existsSync(report) ? verdictOf(report) : { caught: false, said: 'the tests did not end' }
  } finally {
    rmSync(tree, { recursive: true, force: true })
  }
}

type Report = { testResults: { message: string; assertionResults: { status: string; failureMessages: string[] }[] }[] }

/** A file that does not load shows nothing about the line that was broken. */
function verdictOf(path: string): { caught: boolean; said: string } {
  const { testResults } = JSON.parse(readFileSync(path, 'utf8')) as Report
  const failed = testResults.flatMap(({ assertionResults }) =>
    assertionResults.filter(({ status }) => status === 'failed'),
  )
  const [first] = failed
  if (!first)
    return { caught: false, said: testResults.map(({ message }) => message).find(Boolean) ?? 'all tests pass' }
  const said = first.failureMessages.join('\n')
  const cause = /Caused by: (?:Error: )?(.+)/.exec(said)?.[1] ?? said.split('\n').slice(0, 2).join(' ')
  return { caught: true, said: `${failed.length} red: ${cause}` }
}
