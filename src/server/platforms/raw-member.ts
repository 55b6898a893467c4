/** The characters of one member of a JSON object as they were sent: a signature covers them, and not what parsing makes of them. */

/**
 * The raw value of the top-level member `name` of `text`, which has to be a valid JSON object; undefined when it is not there,
 * and when it is there twice, since then it is not certain which of the two was signed.
 */
export function rawMember(text: string, name: string): string | undefined {
  const found: string[] = []
  let depth = 0
  let latestText = ''
  let key: string | undefined
  let start = 0
  for (const { 0: token, index } of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\],:]/g)) {
    if (depth === 1 && token === ':') {
      key = latestText
      start = index + 1
    } else if (depth === 1 && (token === ',' || token === '}')) {
      if (key === `"${name}"`) found.push(text.slice(start, index).trim())
      key = undefined
    }
    if (token === '{' || token === '[') depth += 1
    else if (token === '}' || token === ']') depth -= 1
    else latestText = token
  }
  return found.length === 1 ? found[0] : undefined
}
