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

test('a bad item among good ones fails alone, and nobody is asked twice when the server itself is away', async () => {
  const away = new Error('away')
  const sent: number[][] = []
  const check = createBatch<number, string>({
    name: 'check',
    isOutage: (error) => error === away,
    maxUnderWay: 1,
    async run(items) {
      sent.push([...items])
      if (items.includes(0)) throw away
      if (items.some((item) => item < 0)) throw new Error('bad')
      return items.map((item) => `good ${item}`)
    },
  })
  const outcomes = await Promise.allSettled([1, -2, 3, -4].map(check))
  expect(outcomes.map((one) => (one.status === 'fulfilled' ? one.value : String(one.reason)))).toEqual([
    'good 1',
    'Error: bad',
    'good 3',
    'Error: bad',
  ])
  expect(sent).toEqual([[1, -2, 3, -4], [1], [-2], [3], [-4]])
  sent.length = 0
  const refused = await Promise.allSettled([0, 5].map(check))
  expect(refused.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  expect(sent).toEqual([[0, 5]])
})

test('items of one batch are in the order of their keys, so that two batches never wait for each other', async () => {
  const sent: string[][] = []
  const batch = createBatch<string, string>({
    name: 'ordered',
    isOutage: () => false,
    keyOf: (item) => item,
    async run(items) {
      sent.push([...items])
      return items
    },
  })
  expect(await Promise.all(['c', 'a', 'b'].map(batch))).toEqual(['c', 'a', 'b'])
  expect(sent).toEqual([['a', 'b', 'c']])
})
