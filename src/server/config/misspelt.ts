/** Variables that nobody reads although they look like one of ours: without a word, a misspelt name means silence and a default. */
import { variableNames } from './environment.ts'
import { nearest } from './nearest.ts'

export type Misspelt = { name: string; meant: string }

/** Shorter names are too near to those of other programs, as HOST is to HOME. */
const SHORTEST = 6
/** Names of other programs' families; some are near one of ours. */
const OTHERS = /^(npm_|OTEL_|PG)/

/** Each variable that the gateway does not know, one wrong letter in six away from one that it does, and that is not set itself. */
export function misspelt(environment: Record<string, string | undefined>): Misspelt[] {
  const known = variableNames.flatMap((name) => [name, `${name}_FILE`])
  const unset = known.filter((name) => !environment[name])
  return Object.keys(environment)
    .filter((name) => name.length >= SHORTEST && !known.includes(name) && !OTHERS.test(name))
    .flatMap((name) => {
      // So few that REDIS_PORT, which Kubernetes sets for a Service, is not taken for REDIS_URL.
      const meant = nearest(name, unset, Math.floor(name.length / 6))
      return meant === undefined ? [] : [{ name, meant }]
    })
}
