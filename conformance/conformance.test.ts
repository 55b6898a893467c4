/** The suite itself: it passes on this gateway, fails where a service falls short, and says so in the right numbers. */
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ROOT } from '../chaos/site.ts'
import { freePort } from '../src/dev/services/service.ts'
import { startFloor } from './floor-site.ts'
import { parseMutants, readMutants } from './mutants.ts'
import { problemsOf } from './mutation.ts'
import { readReadme, withRequirements } from './readme.ts'
import { junit } from './report-junit.ts'
import { tapLine } from './report-tap.ts'
import { levelOf } from './requirement.ts'
import { matches, requirements, sections } from './requirements.ts'
import { fails, type Outcome, type Result } from './run.ts'

type Ended = { code: number | null; out: string; err: string }

function conformance(...args: string[]): Promise<Ended> {
  const child = spawn(process.execPath, [join(ROOT, 'conformance/main.ts'), ...args], { cwd: ROOT })
  const ended: Ended = { code: null, out: '', err: '' }
  child.stdout.setEncoding('utf8').on('data', (text) => {
    ended.out += text
  })
  child.stderr.setEncoding('utf8').on('data', (text) => {
    ended.err += text
  })
  return new Promise((resolve) => child.once('close', (code) => resolve({ ...ended, code })))
}

const idsOf = (out: string, line: RegExp) => [...out.matchAll(line)].map(([, id]) => id)
const notOk = /^not ok \d+ - (MPL-[\d.]+)/gm

test('requirements are numbered in order, and each says MUST or SHOULD', () => {
  const numbered = sections.flatMap((section, one) =>
    section.requirements.map((_, index) => `MPL-${one + 1}.${index + 1}`),
  )
  expect(requirements.map(({ id }) => id)).toEqual(numbered)
  for (const { id, text } of requirements) expect([id, /\b(MUST|SHOULD)\b/.test(text)]).toEqual([id, true])
})

test('the README prints the requirements that are run (npm run docs)', () => {
  expect(readReadme()).toBe(withRequirements(readReadme()))
})

test('every break of the gateway finds its text in the sources, once (mutants.txt)', () => {
  expect(readMutants().flatMap(problemsOf)).toEqual([])
})

test('a break is read with its files, texts and replicas', () => {
  const text = '# head\n\nMPL-1.7 on 2: breaks\n@ a.ts\n-  one\n-  two\n+  three\n- four\n@ b.ts\n- five\n+\n'
  expect(parseMutants(text)).toEqual([
    {
      breaks: 'MPL-1.7',
      what: 'breaks',
      replicas: 2,
      byDefect: false,
      edits: [
        { file: 'a.ts', from: ' one\n two', to: ' three' },
        { file: 'a.ts', from: 'four', to: '' },
        { file: 'b.ts', from: 'five', to: '' },
      ],
    },
  ])
  for (const wrong of ['MPL-1: x', 'MPL-1.1: x', 'MPL-1.1: x\n- a\n+ b', 'MPL-1.1: x\n@ a.ts\n+ b'])
    expect(() => parseMutants(wrong)).toThrow('mutants.txt')
})

test('this gateway meets a requirement of each section, on embedded stores', async () => {
  const only = ['1.6', '2.14', '3.3', '4.5', '5.2', '6.2', '7.7', '8.4', '9.1', '10.4', '11.1'].map((id) => `MPL-${id}`)
  const { code, out } = await conformance('--stores', 'embedded', '--strict', '--only', only.join(','))
  expect(idsOf(out, notOk)).toEqual([])
  expect([code, idsOf(out, /^ok \d+ - (MPL-[\d.]+) (?!.*# SKIP)/gm)]).toEqual([0, only])
})

test('the floor of the benchmarks falls short of what it leaves out, and of nothing else', async () => {
  const wechatPort = await freePort()
  const floor = await startFloor(`http://127.0.0.1:${wechatPort}`)
  const folder = mkdtempSync(join(tmpdir(), 'conformance-'))
  try {
    const file = join(folder, 'report.xml')
    const profile = join(ROOT, 'conformance/profiles/floor.json')
    const target = ['--base', floor.url, '--profile', profile, '--wechat-port', String(wechatPort)]
    const { code, out } = await conformance(...target, '--strict', '--junit', file)
    expect(idsOf(out, notOk)).toEqual(FLOOR_FALLS_SHORT)
    expect(code).toBe(1)
    const xml = readFileSync(file, 'utf8')
    expect(xml.match(/<failure /g)).toHaveLength(FLOOR_FALLS_SHORT.length)
    expect(xml.match(/<testcase /g)).toHaveLength(requirements.length)
  } finally {
    rmSync(folder, { recursive: true })
    await floor.stop()
  }
})

/** It looks at no errcode, status or body, remembers no code, has no reuse interval, no logout, no limits and no headers. */
const FLOOR_FALLS_SHORT = [
  ...['1.5', '1.6', '1.7', '1.8', '1.11', '1.13', '1.14', '1.16', '1.17'],
  ...[
    '2.5',
    '2.6',
    '2.7',
    '2.8',
    '2.9',
    '2.10',
    '2.11',
    '2.12',
    '2.13',
    '2.14',
    '2.15',
    '2.16',
    '2.17',
    '2.18',
    '2.19',
  ],
  ...['2.21', '2.22', '5.2', '5.3', '5.4', '5.5', '5.6', '5.10', '6.1', '8.2', '8.4'],
  ...['10.1', '10.2', '10.4', '10.5', '10.8', '10.9', '11.2'],
].map((id) => `MPL-${id}`)

describe('a run that cannot test anything ends with 2 and the reason', () => {
  test.each<[string, string[], RegExp]>([
    [
      'a service that is not there',
      ['--base', 'http://127.0.0.1:9', '--set', 'operator=x'],
      /127\.0\.0\.1:9 does not answer/,
    ],
    ['a value that is missing', ['--base', 'http://127.0.0.1:9'], /--set operator=/],
    ['an unknown option', ['--bse', 'x'], /--bse/],
    ['an unknown requirement', ['--only', 'MPL-99.1'], /--list/],
  ])('%s', async (_, args, reason) => {
    const { code, err } = await conformance('--wechat-port', String(await freePort()), ...args)
    expect([code, err]).toEqual([2, expect.stringMatching(reason)])
  })
})

test('--list and --help run nothing', async () => {
  const [list, help] = await Promise.all([conformance('--list', '--only', 'MPL-5*'), conformance('--help')])
  expect(list.out.trim().split('\n')).toHaveLength(sections[4]?.requirements.length ?? 0)
  expect([list.code, help.code, help.out]).toEqual([0, 0, expect.stringContaining('npm run conformance')])
})

test('a pattern names one requirement, or those that begin alike', () => {
  expect(['MPL-1.1', 'MPL-1.10', 'MPL-11.1'].map((id) => matches(id, ['MPL-1.1']))).toEqual([true, false, false])
  expect(['MPL-1.1', 'MPL-1.10', 'MPL-11.1'].map((id) => matches(id, ['MPL-1.*']))).toEqual([true, true, false])
})

describe('reports', () => {
  const must = requirements.find((one) => levelOf(one) === 'MUST')
  const should = requirements.find((one) => levelOf(one) === 'SHOULD')
  if (!must || !should) throw new Error('there is a MUST and a SHOULD')
  const result = (requirement: typeof must, outcome: Outcome): Result => ({ requirement, outcome, seconds: 1 })
  const unmet: Outcome = { kind: 'unmet', expected: 'a "b" & <c>', seen: '\u0000 # d' }

  test('a SHOULD that is not met fails only a strict run', () => {
    expect([fails(result(should, unmet), false), fails(result(should, unmet), true)]).toEqual([false, true])
    expect(tapLine(result(should, unmet), 1, false)).toMatch(/^not ok 1 - .* # TODO/)
    expect(tapLine(result(should, unmet), 1, true)).not.toContain('# TODO')
  })

  test('what could not be tested is a failure, what is not offered is none', () => {
    expect(fails(result(must, { kind: 'not tested', reason: '' }), false)).toBe(true)
    expect(fails(result(must, { kind: 'not offered', reason: '' }), true)).toBe(false)
    expect(tapLine(result(must, { kind: 'not offered', reason: 'no x' }), 2, true)).toMatch(/^ok 2 - .* # SKIP no x\n$/)
  })

  test('JUnit is XML whatever was seen', () => {
    const xml = junit([result(must, unmet)], sections, false, 'a & b')
    expect(xml).toContain('a &quot;b&quot; &amp; &lt;c&gt;')
    expect(xml).toContain('name="a &amp; b"')
    expect(xml).not.toContain('\u0000')
  })
})
