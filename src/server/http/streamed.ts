/** Data in the common envelope whose lists come in pages, so that a long one is never in memory as a whole. */

/** In the place of a list: its items, some at a time, fetched when the reader of the reply has room for them. */
export type Pages<Item> = AsyncIterator<readonly Item[]>

type Paged<Data> = { [Name in keyof Data]: Data[Name] | (Data[Name] extends (infer Item)[] ? Pages<Item> : never) }

export async function* mapPages<Item, Mapped>(
  pages: Pages<Item>,
  map: (item: Item) => Mapped,
): AsyncGenerator<readonly Mapped[]> {
  for (let page = await pages.next(); !page.done; page = await pages.next()) yield page.value.map(map)
}

const paged = Symbol('paged')
export type Streamed<Data> = {
  [paged]: Paged<Data>
  /** Called once, when the reply is complete or broken off: with the error in the latter case. */
  onEnd: (error?: unknown) => void
}

export const streamed = <Data>(data: Paged<Data>, onEnd: (error?: unknown) => void): Streamed<Data> => ({
  [paged]: data,
  onEnd,
})

export const isStreamed = (data: unknown): data is Streamed<Record<string, unknown>> =>
  typeof data === 'object' && data !== null && paged in data

/** Whoever reads slower than this is cut off: what a reply holds on to while it lasts is not theirs to keep. */
const MAX_SECONDS = 120

/** The envelope around the data as bytes. `open` is its text up to the data. */
export function streamOf({ [paged]: data, onEnd }: Streamed<Record<string, unknown>>, open: string) {
  const chunks = textOf(data, open)
  let timer: NodeJS.Timeout | undefined
  function end(error?: unknown): void {
    if (timer === undefined) return
    clearTimeout(timer)
    timer = undefined
    onEnd(error)
  }
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        timer = setTimeout(() => {
          const error = new Error(`the reply was not read within ${MAX_SECONDS} s`)
          controller.error(error)
          end(error)
        }, MAX_SECONDS * 1000).unref()
      },
      async pull(controller) {
        try {
          const { value, done } = await chunks.next()
          if (!done) return controller.enqueue(Buffer.from(value))
          controller.close()
          end()
        } catch (error) {
          end(error)
          throw error
        }
      },
      cancel: (reason) => end(reason ?? new Error('the reader went away')),
    },
    { highWaterMark: 0 },
  )
}

async function* textOf(data: Record<string, unknown>, open: string): AsyncGenerator<string> {
  let before = `${open}{`
  for (const [name, value] of Object.entries(data)) {
    before += `${JSON.stringify(name)}:`
    if (isPages(value)) {
      before += '['
      for (let page = await value.next(); !page.done; page = await value.next()) {
        if (page.value.length === 0) continue
        yield before + JSON.stringify(page.value).slice(1, -1)
        before = ','
      }
      before = before === ',' ? ']' : `${before}]`
    } else before += JSON.stringify(value)
    before += ','
  }
  yield `${before.replace(/,$/, '')}}}`
}

const isPages = (value: unknown): value is Pages<unknown> =>
  typeof value === 'object' && value !== null && Symbol.asyncIterator in value
