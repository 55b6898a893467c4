/** What a batch does with more than it can take. */
import { expect, test } from 'vitest'
import { createBatch } from './batch.ts'

test('beyond the queue a request is shed at once with B0210, and those that wait get their own results', async () => {
  let finish = (): void => undefined
  const held = new Promise<void>((resolve) => {
    finish = resolve
  })
  const sizes: number[] = []
  const double = createBatch<number, number>({
    name: 'double',
    isOutage: () => false,
    maxItems: 2,
    maxUnderWay: 1,
    maxWaiting: 3,
    async run(items) {
      sizes.push(items.length)
      await held
      return items.map((item) => item * 2)
    },
  })
  const first = [double(1), double(2)]
  await new Promise((resolve) => setImmediate(resolve))
  const waiting = [double(3), double(4), double(5)]
  await expect(double(6)).rejects.toMatchObject({ code: 'B0210', retryAfterSeconds: 1 })
  finish()
  expect(await Promise.all([...first, ...waiting])).toEqual([2, 4, 6, 8, 10])
  expect(sizes).toEqual([2, 2, 1])
})
