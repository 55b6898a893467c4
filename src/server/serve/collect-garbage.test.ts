/** That asking V8 works on this Node.js: it is an option of V8, not an interface of Node.js. */
import { expect, test } from 'vitest'
import { collectGarbage } from './collect-garbage.ts'

const BYTES = 80 * 2 ** 20
const megabytes = () => process.memoryUsage().heapUsed / 2 ** 20

test('what nobody refers to any more is given back', async () => {
  let rubbish: unknown[] | undefined = Array.from({ length: BYTES / 80 }, (_, index) => ({ index, text: `${index}` }))
  const before = megabytes()
  expect(rubbish).toHaveLength(BYTES / 80)
  rubbish = undefined
  await collectGarbage()
  expect(megabytes()).toBeLessThan(before - 30)
})
