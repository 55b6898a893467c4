/** A batch whose statement passes over rows that somebody else holds: those items are asked for again, alone where they must be. */
import type { Span } from '../observability/span.ts'
import { createBatch } from './batch.ts'
import { createPatience } from './held-rows.ts'
import { isDatabaseUnavailable, isLockTimeout } from './sqlstate.ts'

export type PatientBatchParts<Item, Result> = {
  /** Of the statement. */
  name: string
  span: Span | undefined
  /** What needs the same row. */
  keyOf(item: Item): string
  /** Answers the items in their order, `held` where somebody else holds the row. */
  run(items: readonly Item[]): Promise<readonly (Result | 'held')[]>
  /** The same without the lock in advance, which costs a third: asked first, since hardly a row is held. Fails where one is. */
  runFirst?(items: readonly Item[]): Promise<readonly Result[]>
}

/** Throws RowHeld when somebody else holds the row for too long. */
export function createPatientBatch<Item, Result>(
  parts: PatientBatchParts<Item, Result>,
): (item: Item) => Promise<Result> {
  const { name, span, keyOf, run, runFirst } = parts
  const patiently = createPatience()
  const common = { name: `postgres ${name}`, span, keyOf, isOutage: isDatabaseUnavailable }
  const batch = createBatch<Item, Result | 'held'>({ ...common, run })
  const first = runFirst && createBatch<Item, Result | 'held'>({ ...common, run: unlessHeld(runFirst, run) })
  const alone = async (item: Item) => (await run([item]))[0] as Result | 'held'
  return async (item) => {
    let next = first ?? batch
    function ask(): Promise<Result | 'held'> {
      const asked = next(item)
      // Whoever met a held row does not hold up another batch with it.
      next = batch
      return asked
    }
    return (await patiently(keyOf(item), ask, () => alone(item))) as Result
  }
}

/** At a held row the whole batch is asked again as one: each item for itself would be dozens of statements at once. */
const unlessHeld =
  <Item, Result>(
    first: (items: readonly Item[]) => Promise<readonly Result[]>,
    passingOver: (items: readonly Item[]) => Promise<readonly (Result | 'held')[]>,
  ) =>
  async (items: readonly Item[]): Promise<readonly (Result | 'held')[]> => {
    try {
      return await first(items)
    } catch (error) {
      if (!isLockTimeout(error)) throw error
      return await passingOver(items)
    }
  }
