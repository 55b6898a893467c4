/** The rooms whose tests are tried by mutation: what is broken, which tests must notice, and the score that is asked for. */

export type Room = {
  name: string
  /** The least share of mutants that the tests must catch, in per cent; below 95 (security) or 85 mutation/README.md says why. */
  least: number
  /** Each mutant that survives here has a reason in mutation/survivors.txt. */
  security: boolean
  sources: readonly string[]
  /** Only these run, so that a mutant takes seconds. */
  tests: readonly string[]
}

export const rooms: readonly Room[] = [
  {
    name: 'crypto',
    least: 90,
    security: true,
    sources: ['src/server/crypto/random.ts', 'src/server/crypto/rsa-keys.ts', 'src/server/crypto/seal.ts'],
    tests: ['src/server/crypto/seal.test.ts', 'src/server/crypto/random.test.ts', 'src/server/crypto/rsa-keys.test.ts'],
  },
  {
    name: 'tokens',
    least: 95,
    security: true,
    sources: ['src/server/tokens/access-token.ts', 'src/server/tokens/refresh-token.ts'],
    tests: ['src/server/tokens/access-token.test.ts', 'src/server/tokens/refresh-token.test.ts'],
  },
  {
    name: 'session-key',
    least: 95,
    security: true,
    sources: ['src/server/session-key/vault.ts', 'src/server/session-key/open-data.ts'],
    tests: ['src/server/session-key/vault.test.ts'],
  },
  {
    name: 'client-address',
    least: 94,
    security: true,
    sources: ['src/server/http/address.ts', 'src/server/http/context.ts'],
    tests: ['src/server/http/address.test.ts', 'src/server/http/context.test.ts'],
  },
  {
    name: 'keys',
    least: 95,
    security: true,
    sources: ['src/server/keys/schedule.ts', 'src/server/keys/signing-key.ts'],
    tests: ['src/server/keys/moments.test.ts', 'src/server/keys/signing-key.test.ts'],
  },
  {
    name: 'key-ring',
    least: 93,
    security: true,
    sources: ['src/server/keys/ring.ts'],
    tests: ['src/server/keys/ring.test.ts'],
  },
  {
    name: 'webhook',
    least: 93,
    security: true,
    sources: ['src/server/platform-events/push-crypto.ts', 'src/server/platforms/open-data.ts'],
    tests: ['src/server/platform-events/push-crypto.test.ts', 'src/server/platforms/open-data.test.ts'],
  },
]
