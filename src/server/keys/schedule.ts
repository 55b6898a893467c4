/** When a signing key is pending, active, retiring and gone: pure decisions from the keys and the time. */
import { createClients } from '../clients/clients.ts'
import type { Config, SigningAlgorithm } from '../config/config.ts'

export type RingKey = {
  kid: string
  generation: number
  alg: string
  publishedAt: Date
  /** When it begins to sign, unless something newer already does. */
  activatesAt: Date
  /** Set by an operator: gone at once. */
  retiredAt: Date | null
}

export type Schedule = {
  alg: SigningAlgorithm
  rotationSeconds: number
  publishAheadSeconds: number
  jwksMaxAgeSeconds: number
  /** The longest lifetime of a token that a key signs. */
  tokenTtlSeconds: number
}

export const scheduleOf = (config: Config): Schedule => ({
  alg: config.signingAlgorithm,
  rotationSeconds: config.signingKeyRotationSeconds,
  publishAheadSeconds: config.signingKeyPublishAheadSeconds,
  jwksMaxAgeSeconds: config.jwksMaxAgeSeconds,
  tokenTtlSeconds: createClients(config).longest.accessTokenSeconds,
})

export type KeyState = 'pending' | 'active' | 'retiring' | 'gone'

/** How far clocks of verifiers may be off before an old key is taken from the JWKS. */
const CLOCK_TOLERANCE_SECONDS = 300

const plus = (at: Date, seconds: number) => new Date(at.getTime() + seconds * 1000)
const byAge = (a: RingKey, b: RingKey) =>
  a.activatesAt.getTime() - b.activatesAt.getTime() || a.generation - b.generation

/** How often a replica looks for keys that others added or retired: a retired key signs nowhere for longer than this. */
export const reloadSeconds = ({ publishAheadSeconds }: Schedule) =>
  Math.min(2, Math.max(0.25, publishAheadSeconds / 10))

/** The one key that signs at `now`: the newest that is due; before any is due, the first. Undefined when there is none. */
export function activeKey<Key extends RingKey>(keys: readonly Key[], now: Date): Key | undefined {
  const usable = keys.filter((key) => key.retiredAt === null).sort(byAge)
  return usable.findLast((key) => key.activatesAt <= now) ?? usable[0]
}

/** The next key that is to sign. */
export const nextPending = <Key extends RingKey>(keys: readonly Key[], now: Date): Key | undefined =>
  keys.filter((key) => key.retiredAt === null && key.activatesAt > now).sort(byAge)[0]

export const nextGeneration = (keys: readonly RingKey[]): number =>
  Math.max(0, ...keys.map((key) => key.generation)) + 1

/** When the key's last signature may have been made: the moment its successor took over. Undefined while it may still sign. */
export function signsUntil(key: RingKey, keys: readonly RingKey[]): Date | undefined {
  return keys.filter((other) => byAge(other, key) > 0).sort(byAge)[0]?.activatesAt
}

export function keyState(key: RingKey, keys: readonly RingKey[], now: Date, schedule: Schedule): KeyState {
  if (key.retiredAt !== null) return 'gone'
  if (activeKey(keys, now)?.kid === key.kid) return 'active'
  if (key.activatesAt > now) return 'pending'
  const last = signsUntil(key, keys) ?? now
  const { tokenTtlSeconds, jwksMaxAgeSeconds } = schedule
  return now > plus(last, tokenTtlSeconds + CLOCK_TOLERANCE_SECONDS + jwksMaxAgeSeconds) ? 'gone' : 'retiring'
}

export type ListedKey = {
  kid: string
  alg: string
  state: KeyState
  publishedAt: Date
  activatesAt: Date
  signsUntil: Date | undefined
}

export const listedKeys = (keys: readonly RingKey[], now: Date, schedule: Schedule): ListedKey[] =>
  keys.map((key) => ({
    kid: key.kid,
    alg: key.alg,
    state: keyState(key, keys, now, schedule),
    publishedAt: key.publishedAt,
    activatesAt: key.activatesAt,
    signsUntil: signsUntil(key, keys),
  }))

/** As operators read it, in replies and on the command line. */
export const shownKey = ({ kid, alg, state, publishedAt, activatesAt, signsUntil }: ListedKey) => ({
  kid,
  alg,
  state,
  published_at: publishedAt,
  activates_at: activatesAt,
  signs_until: signsUntil ?? null,
})

/** How long before it signs a key is added. Two reloads more: one that fails or comes late still publishes it in time. */
export const leadSeconds = (schedule: Schedule) => schedule.publishAheadSeconds + 2 * reloadSeconds(schedule)

export type Decision = { add: false } | { add: true; generation: number; activatesAt: Date }

/** Whether a key must be added now, and when it is to sign. Every replica comes to the same answer; the store lets one win. */
export function decide(keys: readonly RingKey[], now: Date, schedule: Schedule): Decision {
  const generation = nextGeneration(keys)
  const active = activeKey(keys, now)
  if (!active) return { add: true, generation, activatesAt: now }
  if (nextPending(keys, now)) return { add: false }
  const earliest = plus(now, leadSeconds(schedule))
  if (active.alg !== schedule.alg) return { add: true, generation, activatesAt: earliest }
  const due = plus(active.activatesAt, schedule.rotationSeconds)
  return earliest >= due ? { add: true, generation, activatesAt: earliest } : { add: false }
}
