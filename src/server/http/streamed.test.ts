/** Replies in pieces: the same text as in one, and an end for whoever does not read. */
import { afterEach, describe, expect, test, vi } from 'vitest'
import { isStreamed, mapPages, streamed, streamOf } from './streamed.ts'

async function* pages<Item>(...all: Item[][]): AsyncGenerator<Item[]> {
  yield* all
}
const open = '{"code":"00000","data":'
const read = async (data: Record<string, unknown>) =>
  JSON.parse(
    await new Response(
      streamOf(
        streamed(data, () => undefined),
        open,
      ),
    ).text(),
  ).data

const cases: [string, Record<string, unknown>, Record<string, unknown>][] = [
  ['nothing', {}, {}],
  ['no list', { a: 1, b: null }, { a: 1, b: null }],
  ['an empty list', { list: pages() }, { list: [] }],
  ['a list of empty pages', { list: pages([], []) }, { list: [] }],
  ['pages', { list: pages([1, 2], [], [3]), after: 'x' }, { list: [1, 2, 3], after: 'x' }],
  ['two lists', { a: pages(['},]'], ['{"']), b: pages([{ c: [] }]) }, { a: ['},]', '{"'], b: [{ c: [] }] }],
  ['mapped pages', { list: mapPages(pages([1, 2], [3]), (n) => n * 2) }, { list: [2, 4, 6] }],
]
test.each(cases)('%s reads as it would in one piece', async (_, data, whole) => {
  expect(isStreamed(streamed(data, () => undefined))).toBe(true)
  expect(await read(data)).toEqual(whole)
})

describe('the end is told once', () => {
  afterEach(() => void vi.useRealTimers())

  const ended = (data: Record<string, unknown>) => {
    const ends: unknown[] = []
    return {
      ends,
      stream: streamOf(
        streamed(data, (error) => void ends.push(error)),
        open,
      ),
    }
  }

  test('when all is read', async () => {
    const { ends, stream } = ended({ list: pages([1], [2]) })
    await new Response(stream).text()
    expect(ends).toEqual([undefined])
  })

  test('when the reader goes away', async () => {
    const { ends, stream } = ended({ list: pages([1], [2]) })
    const reader = stream.getReader()
    await reader.read()
    await reader.cancel()
    expect(ends).toEqual([expect.any(Error)])
  })

  test('when a page fails, which the reader learns', async () => {
    const failing = (async function* () {
      yield [1]
      throw new Error('no more')
    })()
    const { ends, stream } = ended({ list: failing })
    await expect(new Response(stream).text()).rejects.toThrow('no more')
    expect(ends).toEqual([expect.objectContaining({ message: 'no more' })])
  })

  test('when nobody reads on, and whoever still would is cut off', async () => {
    vi.useFakeTimers()
    const { ends, stream } = ended({ list: pages([1], [2]) })
    const reader = stream.getReader()
    await reader.read()
    vi.advanceTimersByTime(121_000)
    expect(ends).toEqual([expect.objectContaining({ message: expect.stringContaining('not read') })])
    await expect(reader.read()).rejects.toThrow('not read')
    expect(ends).toHaveLength(1)
  })
})
