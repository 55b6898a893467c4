/** The models against their catalogue and their page, and a fast part of what `npm run model` proves. */
import { readFileSync } from 'node:fs'
import { beforeAll, describe, expect, test } from 'vitest'
import { models } from './catalogue.ts'
import { prove, proveMutants, type Result } from './prove.ts'
import { scheduleOf } from './schedule.ts'
import { missingTools, readSearch } from './spin.ts'

const textOf = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8')
const page = textOf('../docs/model.md')

describe.each(models.map((model) => [model.name, model] as const))('%s.pml', (name, model) => {
  const source = textOf(`${name}.pml`)
  const claims = [...source.matchAll(/^ltl (\w+)/gm)].map(([, claim]) => claim)
  const defined = [...source.matchAll(/^#(?:ifdef|ifndef|if defined|elif defined)\W.*$/gm)]
    .flatMap(([line]) => [...line.matchAll(/[A-Z][A-Z_]{3,}/g)])
    .map(([word]) => word)

  test('has each promise of the catalogue, and no other', () => {
    expect(claims.toSorted()).toEqual([...model.promises.map((promise) => promise.name), 'not_met'].toSorted())
  })

  test('has each broken design of the catalogue, and no other', () => {
    const broken = [...model.mutants, ...model.assumptions].map((mutant) => mutant.name)
    const own = [
      'REACH',
      'MET',
      'FORGET',
      'NOW',
      'WRITE_TIME',
      'NO_CRASHES',
      ...(model.worlds ?? []).map((one) => one.name),
    ]
    expect([...new Set(defined)].filter((word) => !own.includes(word)).toSorted()).toEqual(broken.toSorted())
  })

  test('looks for each state that must be met', () => {
    const met = [...source.matchAll(/MET\((\w+),/g)].map(([, state]) => state).filter((state) => state !== 'what')
    expect([...new Set(met)].toSorted()).toEqual(model.reaches.map((state) => state.name).toSorted())
  })

  test('is on docs/model.md, promise by promise and mutant by mutant', () => {
    for (const { name: word } of [...model.promises, ...model.mutants, ...model.assumptions])
      expect(page).toContain(`\`${word}\``)
  })
})

test('a history reads as sentences with their times', () => {
  const lines = ['|replica 1: reads', '|tick', '|tick', '|verifier: fetches: nothing', '|replica 1: signs']
  expect(scheduleOf(lines)).toEqual([
    'time 0  replica 1  reads',
    'time 2  verifier   fetches: nothing',
    '        replica 1  signs',
  ])
})

test('a search that was cut off, or failed otherwise, proves nothing', () => {
  const ended = 'State-vector 80 byte, depth reached 12, errors: 0\n     9434 states, stored\n'
  expect(readSearch(ended)).toEqual({ states: 9434, depth: 12, errors: 0 })
  expect(() => readSearch(`${ended}error: max search depth too small`)).toThrow('cut off')
  expect(() => readSearch(`Warning: Search not completed\n${ended}`)).toThrow('cut off')
  expect(() => readSearch(ended.replace('errors: 0', 'errors: 1'))).toThrow('failed')
  expect(() => readSearch('Segmentation fault')).toThrow('no end')
})

const missing = await missingTools()
const mayRun = missing.length === 0 || process.env.CI !== undefined

describe.runIf(mayRun)('with spin', { timeout: 120_000 }, () => {
  beforeAll(() => {
    if (missing.length > 0) throw new Error(`missing: ${missing.join(', ')}; apt-get install spin gcc cpp libc6-dev`)
  })
  const [, , keys] = models
  const ofKeys = (part: Partial<typeof keys>) => ({
    models: keys ? [{ ...keys, mutants: [], assumptions: [], ...part }] : [],
    jobs: 2,
    say: () => undefined,
  })
  const failed = (results: readonly Result[]) => results.filter(({ ok }) => !ok).map(({ text }) => text)

  test('a promise holds in every state, and a state that must be met is met', async () => {
    const promises = keys?.promises.filter(({ name }) => name === 'no_signing_key_deleted') ?? []
    const results = await prove(
      ofKeys({ promises, reaches: keys?.reaches.filter(({ name }) => name === 'RACE') ?? [] }),
    )
    expect(failed(results)).toEqual([])
    expect(results.length).toBe(2)
  })

  test('a design that breaks one is caught, with a schedule', async () => {
    const mutants = keys?.mutants.filter(({ name }) => name === 'DELETION_BY_REPLICA_CLOCK')
    const [caught, ...others] = await proveMutants(ofKeys({ mutants: mutants ?? [] }))
    expect(others).toEqual([])
    expect(caught?.ok).toBe(true)
    expect(caught?.schedule.at(-1)).toBe('        replica 2  deletes key 1, which signs, from the database')
  })

  test('a design that breaks nothing is no mutant: it is reported as a failure', async () => {
    const harmless = { name: 'HARMLESS', words: 'nothing is different', breaks: 'no_signing_key_deleted' }
    const results = await proveMutants(ofKeys({ mutants: [harmless] }))
    expect(results.map(({ ok }) => ok)).toEqual([false])
  })
})
