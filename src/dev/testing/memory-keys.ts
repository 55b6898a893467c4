/** Signing keys in memory, for tests of what a key ring does with them; the store itself is tested on real databases. */
import type { Clock } from '../../server/clock.ts'
import { createSealer } from '../../server/crypto/seal.ts'
import { createKeyRing, type KeyRing, type KeyRingParts } from '../../server/keys/ring.ts'
import type { Schedule } from '../../server/keys/schedule.ts'
import type { KeyStore, StoredKey } from '../../server/keys/store.ts'

export const testSchedule: Schedule = {
  alg: 'ES256',
  rotationSeconds: 90_000,
  publishAheadSeconds: 86_400,
  jwksMaxAgeSeconds: 300,
  tokenTtlSeconds: 900,
}

export type MemoryKeys = { store: KeyStore; kept: StoredKey[]; audited: Parameters<KeyStore['audit']>[0][] }

/** One generation is one key, and a retired key hands over in one step, as the store promises. */
export function memoryKeys(): MemoryKeys {
  const kept: StoredKey[] = []
  const audited: MemoryKeys['audited'] = []
  const add = (key: StoredKey) => !kept.some(({ generation }) => generation === key.generation) && kept.push(key) > 0
  const store: KeyStore = {
    list: async () => kept.map((key) => ({ ...key })),
    async add(key, audit) {
      const added = add(key)
      if (added && audit) audited.push(audit)
      return added
    },
    async remove(kids) {
      // SQL knows no empty list.
      if (kids.length === 0) throw new Error('nothing to remove')
      kept.splice(0, kept.length, ...kept.filter(({ kid }) => !kids.includes(kid)))
    },
    async retire(kid, audit, successorOf) {
      const key = kept.find((one) => one.kid === kid && one.retiredAt === null)
      if (!key) return false
      const successor = await successorOf(kept)
      key.retiredAt = audit.at
      if (successor && 'promote' in successor) {
        const next = kept.find((one) => one.kid === successor.promote)
        if (next) next.activatesAt = audit.at
      } else if (successor) add(successor.add)
      audited.push(audit)
      return true
    },
    reseal: async () => false,
    firstResealedAt: async () => undefined,
    audit: async (event) => void audited.push(event),
  }
  return { store, kept, audited }
}

export const testSealer = (byte = 0) => createSealer([{ id: `k${byte}`, secret: Buffer.alloc(32, byte) }])

export const ringOn = (keys: MemoryKeys, clock: Clock, parts: Partial<KeyRingParts> = {}): KeyRing =>
  createKeyRing({ store: keys.store, sealer: testSealer(), clock, schedule: testSchedule, ...parts })
