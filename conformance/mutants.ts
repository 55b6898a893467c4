/** One line of this gateway broken for each requirement, which must notice. The texts are found in the sources exactly once. */
import type { RequirementId } from './requirement.ts'

export type Mutant = {
  breaks: RequirementId
  /** What the mutant does. */
  what: string
  file: string
  from: string
  to: string
  /** More than one, where one alone cannot show it. */
  replicas?: number
}

export const mutants: readonly Mutant[] = [
  {
    breaks: 'MPL-1.3',
    what: 'the code goes into the URL as it is',
    file: 'src/server/platforms/wechat.ts',
    from: '[app.appid, app.secret, code].map(encodeURIComponent)',
    to: '[app.appid, app.secret, code]',
  },
]
