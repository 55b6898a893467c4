/** The same suites twice: on the embedded stores in seconds, and on real PostgreSQL and Redis. */
import { defaultExclude, defineConfig } from 'vitest/config'

const include = ['src/**/*.test.ts', 'bench/**/*.test.ts']
/** What needs a browser has a project of its own. */
const browser = ['src/**/*.browser.test.ts']
/** What asks nothing of a store runs once. */
const suites = ['src/**/*.stores.test.ts']

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'embedded',
          include,
          exclude: [...defaultExclude, ...browser],
          provide: { stores: 'embedded', databaseUrl: '', redisUrl: '' },
          testTimeout: 30_000,
          hookTimeout: 60_000,
        },
      },
      { test: { name: 'deploy', include: ['k8s/**/*.test.ts'], testTimeout: 60_000, hookTimeout: 60_000 } },
      { test: { name: 'examples', include: ['examples/**/*.test.ts'], testTimeout: 30_000, hookTimeout: 120_000 } },
      {
        test: {
          name: 'browser',
          include: browser,
          globalSetup: 'src/dev/testing/chromium.global-setup.ts',
          testTimeout: 30_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'conformance',
          include: ['conformance/**/*.test.ts'],
          testTimeout: 180_000,
          hookTimeout: 120_000,
        },
      },
      { test: { name: 'chaos', include: ['chaos/**/*.test.ts'], testTimeout: 180_000, hookTimeout: 60_000 } },
      {
        test: {
          name: 'real',
          include: suites,
          provide: { stores: 'real' },
          globalSetup: 'src/dev/testing/real-services.global-setup.ts',
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
})
