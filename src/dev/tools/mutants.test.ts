/** The list of mutants fits the source: no text was moved, and the tests that must notice are there. */
import { expect, test } from 'vitest'
import { problemsOfList, readOwnMutants } from '../../../mutation/own-list.ts'

test('every mutant of mutation/mutants.txt finds its text once, has its tests, and a name of its own', () => {
  const mutants = readOwnMutants()
  expect(problemsOfList(mutants)).toEqual([])
  expect(new Set(mutants.map(({ breaks }) => breaks)).size).toBe(mutants.length)
  expect(mutants.length).toBeGreaterThanOrEqual(15)
})
