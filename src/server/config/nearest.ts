/** The known name that somebody most likely meant, for messages about names that are not known. */
import { closestMatch } from 'leven'

/** Undefined when none is near; by default half of the letters, and at most three, may be wrong. */
export function nearest(
  name: string,
  known: readonly string[],
  maxDistance = Math.min(3, Math.max(1, Math.floor(name.length / 2))),
): string | undefined {
  return known.find((one) => one.toLowerCase() === name.toLowerCase()) ?? closestMatch(name, known, { maxDistance })
}
