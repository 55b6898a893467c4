/** How a verifier behaves in time: what it fetches and when, and what an outage, a rotation or an attacker does to it. */

import type { Script } from './format.ts'
import { keyScripts } from './scripts-keys.ts'
import { outages } from './scripts-outages.ts'
import { start } from './scripts-start.ts'
import { statusScripts } from './scripts-status.ts'

export const scripts: Script[] = [...start, ...keyScripts, ...outages, ...statusScripts].map((script) => ({
  ...script,
  steps: script.steps.toSorted((a, b) => a.at - b.at),
}))
