/** What a requirement is: one sentence, the reason for it, and a check from outside that tells whether a service meets it. */
import type { Need } from './profile.ts'
import type { World } from './world.ts'

export type RequirementId = `MPL-${number}.${number}`
export type Level = 'MUST' | 'SHOULD'

export type Requirement = {
  id: RequirementId
  /** One sentence about the service, with MUST or SHOULD in it (RFC 2119). */
  text: string
  why: string
  /** How it is tested. */
  how: string
  /** Where the fact or the fault was read. */
  source: string
  /** What the profile has to offer; without it the requirement does not apply. */
  needs?: readonly Need[]
  /** Resolves when the service meets it; throws Unmet when not. */
  check(world: World): Promise<void>
}

export type Section = { title: string; about: string; requirements: readonly Requirement[] }

export const levelOf = ({ text }: Pick<Requirement, 'text'>): Level => (/\bMUST\b/.test(text) ? 'MUST' : 'SHOULD')

/** The service does not meet a requirement: what was expected of it, and what it did. */
export class Unmet extends Error {
  readonly expected: string
  readonly seen: string

  constructor(expected: string, seen: string) {
    super(`expected ${expected}; seen ${seen}`)
    this.name = 'Unmet'
    this.expected = expected
    this.seen = seen
  }
}

/** The check itself cannot be made: the simulator is away, or the profile says something that is not so. */
export class CannotTest extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'CannotTest'
  }
}
