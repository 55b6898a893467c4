/** The tests of one room, for Stryker: on the embedded stores, or on real ones where both are given, which is faster. */
import { defineConfig } from 'vitest/config'

const { MUTATION_TESTS = '', TEST_DATABASE_URL = '', TEST_REDIS_URL = '' } = process.env
const real = TEST_DATABASE_URL !== '' && TEST_REDIS_URL !== ''

export default defineConfig({
  test: {
    name: 'mutants',
    include: MUTATION_TESTS.split(',').filter(Boolean),
    provide: { stores: real ? 'real' : 'embedded', databaseUrl: TEST_DATABASE_URL, redisUrl: TEST_REDIS_URL },
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
})
