/** Every requirement, in the order of the document. */
import type { Section } from './requirement.ts'
import { accessTokens } from './sections/access-tokens.ts'
import { broughtAlong } from './sections/brought-along.ts'
import { ending } from './sections/ending.ts'
import { exchange } from './sections/exchange.ts'
import { httpManners } from './sections/http-manners.ts'
import { identity } from './sections/identity.ts'
import { platform } from './sections/platform.ts'
import { publishedKeys } from './sections/published-keys.ts'
import { refresh } from './sections/refresh.ts'
import { secrets } from './sections/secrets.ts'
import { users } from './sections/users.ts'

export const sections: readonly Section[] = [
  exchange,
  platform,
  identity,
  broughtAlong,
  refresh,
  ending,
  accessTokens,
  publishedKeys,
  users,
  httpManners,
  secrets,
]

export const requirements = sections.flatMap((section) => section.requirements)

/** Those that an `--only` or `--skip` names: an id, or a beginning of ids with `*`. */
export function matches(id: string, patterns: readonly string[]): boolean {
  return patterns.some((pattern) => (pattern.endsWith('*') ? id.startsWith(pattern.slice(0, -1)) : id === pattern))
}
