/** Lets concurrent requests share one statement or command, each with its own result or error; alone, a request waits for nobody. */
import { GatewayError } from '../errors.ts'
import type { Span } from '../observability/span.ts'

export type BatchOptions<Item, Result> = {
  /** Answers the items in their order; undefined where the statement said nothing of one. */
  run(items: readonly Item[]): Promise<readonly Result[]>
  /** Of two items of one key the second waits for the first one's statement. Without it any may share one, in the order they came. */
  keyOf?(item: Item): string
  /** Whether an error is the server's own state, so that no item would fare better alone. */
  isOutage(error: unknown): boolean
  maxItems?: number
  maxUnderWay?: number
  /** Beyond this many waiting, a request is shed early (B0210). */
  maxWaiting?: number
  /** Around each request's own wait, since the statement itself belongs to several. */
  span?: Span | undefined
  /** Of that span. */
  name: string
}

type Waiting<Item, Result> = { item: Item; key: string; resolve(result: Result): void; reject(error: unknown): void }

export function createBatch<Item, Result>(options: BatchOptions<Item, Result>): (item: Item) => Promise<Result> {
  const { run, keyOf, isOutage, maxItems = 64, maxUnderWay = 2, maxWaiting = 4096, span, name } = options
  let waiting: Waiting<Item, Result>[] = []
  let underWay = 0
  let starting = false
  /** Of the statements under way: their rows are locked, and nobody is sent to find them so. */
  const busy = new Set<string>()

  function take(): Waiting<Item, Result>[] {
    if (!keyOf) return waiting.splice(0, maxItems)
    const keys = new Set(busy)
    const taken: Waiting<Item, Result>[] = []
    const left: Waiting<Item, Result>[] = []
    for (const one of waiting) {
      if (taken.length === maxItems || keys.has(one.key)) left.push(one)
      else {
        keys.add(one.key)
        taken.push(one)
      }
    }
    waiting = left
    // One order in every batch, so that two of them never wait for each other's rows.
    return taken.sort((a, b) => (a.key < b.key ? -1 : 1))
  }

  async function settle(batch: Waiting<Item, Result>[]): Promise<void> {
    try {
      const results = await run(batch.map((one) => one.item))
      batch.forEach((one, index) => {
        one.resolve(results[index] as Result)
      })
    } catch (error) {
      // One bad row must not fail its neighbours: redo each alone, unless the server itself is away.
      if (batch.length === 1 || isOutage(error)) for (const one of batch) one.reject(error)
      else await Promise.all(batch.map((one) => settle([one])))
    }
  }

  /** Not before everything that arrived at this moment is here: a statement for the first alone would hold up all the others. */
  function startSoon(): void {
    if (starting || underWay >= maxUnderWay) return
    starting = true
    setImmediate(start)
  }

  function start(): void {
    starting = false
    while (underWay < maxUnderWay && waiting.length > 0) {
      const batch = take()
      if (batch.length === 0) return
      underWay += 1
      if (keyOf) for (const { key } of batch) busy.add(key)
      void settle(batch).finally(() => {
        underWay -= 1
        for (const { key } of batch) busy.delete(key)
        startSoon()
      })
    }
  }

  const enqueue = (item: Item) =>
    new Promise<Result>((resolve, reject) => {
      if (waiting.length >= maxWaiting)
        return reject(new GatewayError('B0210', { note: 'statement queue is full', retryAfterSeconds: 1 }))
      waiting.push({ item, key: keyOf?.(item) ?? '', resolve, reject })
      startSoon()
    })
  return span ? (item) => span(name, () => enqueue(item)) : enqueue
}
