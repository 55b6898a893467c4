/** The values of variables, each given directly or as a file: how secrets reach a container without standing in its environment. */
import { readFileSync } from 'node:fs'

/** Takes each variable, or the content of the file named by its `_FILE` form; an empty one counts as unset. */
export function readVariables(
  names: readonly string[],
  environment: Record<string, string | undefined>,
  problems: string[],
): Record<string, string> {
  const values: Record<string, string> = {}
  for (const name of names) {
    const value = environment[name]
    const path = environment[`${name}_FILE`]
    if (value && path) problems.push(`${name}: is given both directly and by ${name}_FILE`)
    else if (path) {
      try {
        // Without the byte order mark, blanks and line ends that editors leave around a value.
        const content = readFileSync(path, 'utf8').trim()
        if (content === '') problems.push(`${name}: the file of ${name}_FILE is empty`)
        else values[name] = content
      } catch {
        problems.push(`${name}: the file of ${name}_FILE cannot be read`)
      }
    } else if (value) values[name] = value
  }
  return values
}
