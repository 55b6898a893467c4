/** Pages of the operators' API: how many, from where on, and the cursor of the next one. */
import { z } from 'zod'
import { readAddress } from './address.ts'

export const limitParameter = z.coerce
  .number('must be a whole number')
  .int()
  .min(1)
  .max(200)
  .default(50)
  .describe('Lines of a page.')

/** A search word; PostgreSQL knows no NUL. */
export const searchWord = (max: number) =>
  z
    .string()
    .min(1)
    .max(max)
    .refine((word) => !word.includes('\0') && word.isWellFormed(), 'holds a NUL')

/** An IP address in any of its spellings, as the audit trail spells it. */
export const addressParameter = z
  .string()
  .max(64)
  .transform((text, context) => {
    const address = readAddress(text.trim())
    if (address === undefined) context.addIssue('is not an IP address')
    return address ?? z.NEVER
  })

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
