/** Pages of the operators' API: how many, from where on, and the cursor of the next one. */
import { z } from 'zod'

export const limitParameter = z.coerce
  .number('must be a whole number')
  .int()
  .min(1)
  .max(200)
  .default(50)
  .describe('Lines of a page.')

export const pageOf = <Item extends z.ZodType>(item: Item) =>
  z.object({
    items: z.array(item),
    next_cursor: z.string().nullable().describe('Give it as `cursor` for the next page.'),
  })

/** `rows` holds one more than `limit` when there is a next page. */
export function toPage<Row, Item>(
  rows: readonly Row[],
  limit: number,
  { item, cursor }: { item: (row: Row) => Item; cursor: (row: Row) => string },
): { items: Item[]; next_cursor: string | null } {
  const shown = rows.slice(0, limit)
  const last = shown.at(-1)
  return { items: shown.map(item), next_cursor: rows.length > limit && last !== undefined ? cursor(last) : null }
}
