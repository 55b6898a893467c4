/** Characters that nobody sees and that change what others see: they have no business in a name. */

/** Control characters, line separators, and what turns the direction of the text beside it (Unicode UAX 9 section 2). */
const hidden = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu

export const withoutHidden = (text: string): string => text.replaceAll(hidden, '')

/** Of one line; with `lines` of several. */
export function hasHidden(text: string, { lines = false } = {}): boolean {
  const read = lines ? text.replaceAll(/[\n\r\t]/g, '') : text
  return withoutHidden(read) !== read
}
