/** A batch whose statement passes over rows that somebody else holds: those items are asked for again, alone where they must be. */
import type { Span } from '../observability/span.ts'
import { createBatch } from './batch.ts'
import { createPatience } from './held-rows.ts'
import { isDatabaseUnavailable } from './sqlstate.ts'

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
  const first = runFirst && createBatch<Item, Result>({ ...common, run: runFirst })
  const alone = async (item: Item) => (await run([item]))[0] as Result | 'held'
  return async (item) =>
    (await patiently(
      keyOf(item),
      () => (first ?? batch)(item),
      () => (first ? batch : alone)(item),
    )) as Result
}
