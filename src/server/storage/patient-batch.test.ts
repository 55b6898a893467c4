/** What a held row costs those who share its batch: one statement more, once. */
import { expect, test } from 'vitest'
import { createPatientBatch } from './patient-batch.ts'
import { RowHeld } from './sqlstate.ts'

/** A database that keeps the row `held` back for as long as it is told to. */
function setUp({ heldFor }: { heldFor: number }) {
  const statements: { first: boolean; items: readonly string[] }[] = []
  let asked = 0
  const ask = createPatientBatch<string, string>({
    name: 'test',
    span: undefined,
    keyOf: (item) => item,
    async runFirst(items) {
      statements.push({ first: true, items })
      if (items.includes('held')) throw new RowHeld()
      return items.map((item) => `${item} done`)
    },
    async run(items) {
      statements.push({ first: false, items })
      return items.map((item) => (item === 'held' && ++asked <= heldFor ? 'held' : `${item} done`))
    },
  })
  return { ask, statements }
}

test('a batch in which a row is held is asked again as one, and the held row alone from then on', async () => {
  const { ask, statements } = setUp({ heldFor: 2 })
  const crowd = ['a', 'b', 'held', 'c', 'd']
  expect(await Promise.all(crowd.map(ask))).toEqual(crowd.map((item) => `${item} done`))
  expect(statements.map(({ first, items }) => [first, items.length])).toEqual([
    [true, 5],
    [false, 5],
    [false, 1],
    [false, 1],
  ])
})

test('an error that is no held row is not asked again in the other way', async () => {
  const broken = createPatientBatch<string, string>({
    name: 'test',
    span: undefined,
    keyOf: (item) => item,
    runFirst: () => Promise.reject(new Error('broken')),
    run: () => expect.fail('asked again'),
  })
  await expect(broken('a')).rejects.toThrow('broken')
})
