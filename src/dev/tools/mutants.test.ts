/** What `npm run mutants` breaks fits the source: no text was moved, and the sources and tests that it names are there. */
import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { problemsOfList, readOwnMutants } from '../../../mutation/own-list.ts'
import { readReasons } from '../../../mutation/report.ts'
import { rooms } from '../../../mutation/rooms.ts'

test('every mutant of mutation/mutants.txt finds its text once, has its tests, and a name of its own', () => {
  const mutants = readOwnMutants()
  expect(problemsOfList(mutants)).toEqual([])
  expect(new Set(mutants.map(({ breaks }) => breaks)).size).toBe(mutants.length)
  expect(mutants.length).toBeGreaterThanOrEqual(15)
})

describe.each(rooms)('the room $name of the mutation tests', ({ name, least, security, sources, tests }) => {
  test('has its sources and its tests', () => {
    expect([...sources, ...tests].filter((path) => !existsSync(path))).toEqual([])
    expect(Math.min(sources.length, tests.length)).toBeGreaterThan(0)
  })

  test('stands in the table, with a reason where less is asked than of others of its kind', () => {
    const row = readFileSync('mutation/README.md', 'utf8')
      .split('\n')
      .find((line) => line.startsWith(`| ${name} |`))
    const [, , isSecurity, asked, reached, because] = (row ?? '').split('|').map((cell) => cell.trim())
    expect([isSecurity, asked]).toEqual([security ? 'yes' : 'no', `${least} %`])
    expect(Number.parseFloat(reached ?? '')).toBeGreaterThanOrEqual(least)
    expect((because ?? '') !== '').toBe(least < (security ? 95 : 85))
  })
})

test('every survivor with a reason is a text of a security room as it is now', () => {
  const secure = rooms.filter(({ security }) => security).flatMap(({ sources }) => sources)
  const lost = readReasons().flatMap(({ edits }) =>
    edits.filter(({ file, from }) => !secure.includes(file) || !readFileSync(file, 'utf8').includes(from)),
  )
  expect(lost).toEqual([])
})
