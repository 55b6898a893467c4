/** Which signing keys each replica has loaded, and the promises about keys that a trace holds them to. */
import type { At } from './steps.ts'
import type { Replica } from './world.ts'

type Known = { since: number; retiredAt: number | undefined; early: boolean; order: number }

export type KeyWatch = ReturnType<typeof createKeyWatch>

export function createKeyWatch(replicas: readonly [Replica, Replica]) {
  const keys = new Map<string, Known>()
  const loadedAt: [number, number] = [0, 0]
  let moment = 0
  /** The newest key that has signed. */
  let newest: Known | undefined
  let ordered = true

  function loaded(at: At): void {
    moment += 1
    loadedAt[at] = moment
    const [other] = replicas.filter((_, index) => index !== at)
    const listed = replicas[at].ring.list()
    for (const { kid } of listed)
      if (!keys.has(kid)) keys.set(kid, { since: moment, retiredAt: undefined, early: false, order: keys.size })
    if (listed.filter(({ state }) => state === 'active').length !== 1) throw new Error('not exactly one key signs')
    const published = JSON.parse(replicas[at].ring.jwks().body) as { keys: Record<string, unknown>[] }
    for (const jwk of published.keys) {
      if ('d' in jwk) throw new Error('a private key is published')
      if (keys.get(String(jwk.kid))?.retiredAt !== undefined) throw new Error('a retired key is published')
    }
    if (loadedAt[at ? 0 : 1] === moment - 1 && other) {
      const pending = listed.filter(({ state }) => state === 'pending')
      const theirs = other.ring.list()
      if (pending.some(({ kid }) => !keys.has(kid)) || theirs.some(({ kid }) => !keys.has(kid)))
        throw new Error('a key came from nowhere')
    }
  }
  loaded(0)
  loaded(1)

  return {
    loaded,
    /** Whether the replica accepts what this key signed. */
    knows(at: At, kid: string): boolean {
      const key = keys.get(kid)
      if (!key || key.since > loadedAt[at]) return false
      return key.retiredAt === undefined || key.retiredAt > loadedAt[at]
    },
    retired(at: At, kid: string): void {
      const key = keys.get(kid)
      if (key) key.retiredAt = moment + 1
      loaded(at)
      // Whoever signs now was not announced for this moment.
      const active = keys.get(String(replicas[at].ring.list().find(({ state }) => state === 'active')?.kid))
      if (active) active.early = true
      newest = undefined
    },
    /** A key that was not yet to sign at that time does not sign: the order of signatures means nothing for a while. */
    clockWentBack(): void {
      ordered = false
    },
    /** Long enough ago. */
    clockIsRight(): void {
      ordered = true
      newest = undefined
    },
    signed(kid: string): void {
      const key = keys.get(kid)
      if (!key) throw new Error('signed by a key that nobody published')
      if (ordered && newest && newest.order > key.order && key.retiredAt === undefined && !newest.early)
        throw new Error('the key before signs after the next one has signed')
      if (!newest || newest.order < key.order) newest = key
    },
    /** Whether a verifier may meet this key without having heard of it. */
    mayBeNews: (kid: string): boolean => keys.get(kid)?.early === true,
    isRetired: (kid: string): boolean => keys.get(kid)?.retiredAt !== undefined,
  }
}
