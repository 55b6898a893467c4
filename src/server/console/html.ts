/** Markup as text: every value that is put in is escaped. */
import { html as tagged } from 'hono/html'

export type Html = string & { isEscaped: true }

/** What may stand in a template; null, undefined and booleans are left out. */
type Part = Html | string | number | boolean | null | undefined | readonly Part[]

export const html = (strings: TemplateStringsArray, ...values: readonly Part[]): Html =>
  // Only a promise among the values would make it one.
  tagged(strings, ...values) as Html
