/** What asks no store, with the suites that show the embedded stores alike; and every suite on real PostgreSQL and Redis. */
import { availableParallelism } from 'node:os'
import { defaultExclude, defineConfig } from 'vitest/config'

/** Most tests wait more than they compute. What drives browsers and whole processes shares the machine with less; what kills servers runs alone, last. */
const many = { maxWorkers: availableParallelism() + 1, sequence: { groupOrder: 0 } }
const few = { maxWorkers: 2, sequence: { groupOrder: 1 } }
const alone = { maxWorkers: 1, sequence: { groupOrder: 2 } }

const include = ['{src,bench}/**/!(*.stores).test.ts']
/** What needs a browser has a project of its own. */
const browser = ['src/**/*.browser.test.ts']
const setupFiles = ['src/dev/testing/warnings.setup.ts']
const suites = ['src/**/*.stores.test.ts']
/** What starts whole programs, as their readers would. */
const programs = ['src/dev/first-minutes.test.ts', 'bench/bench.test.ts']
/** Of these, what holds requests to seconds while servers are frozen and killed: nothing else runs beside it. */
const timed = ['src/dev/testing/{clocks,held-rows,outages,primary-switch,saturation}.stores.test.ts']
/** The suites that run on PGlite and the memory cache too: `npm run dev` and tests without servers stand on these. */
const onEmbeddedToo = [
  'src/server/http/contract.stores.test.ts',
  'src/server/login/login.stores.test.ts',
  'src/server/sessions/sessions.stores.test.ts',
  'src/server/profile/profile.stores.test.ts',
  'src/server/users/union.stores.test.ts',
  'src/server/storage/cache.stores.test.ts',
  'src/server/storage/database.stores.test.ts',
  'src/dev/testing/traces/traces.stores.test.ts',
]

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'embedded',
          ...many,
          setupFiles,
          include: [...include, ...onEmbeddedToo],
          exclude: [...defaultExclude, ...browser, ...programs],
          provide: { stores: 'embedded', databaseUrl: '', redisUrl: '' },
          testTimeout: 30_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'deploy',
          ...many,
          include: ['{k8s,model}/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'examples',
          ...few,
          include: ['examples/**/*.test.ts', ...programs],
          testTimeout: 30_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: 'browser',
          ...few,
          include: browser,
          globalSetup: 'src/dev/testing/chromium.global-setup.ts',
          testTimeout: 30_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'conformance',
          ...few,
          include: ['conformance/**/*.test.ts'],
          testTimeout: 180_000,
          hookTimeout: 120_000,
        },
      },
      { test: { name: 'chaos', ...alone, include: ['chaos/**/*.test.ts'], testTimeout: 180_000, hookTimeout: 60_000 } },
      {
        test: {
          name: 'real',
          ...many,
          setupFiles,
          include: suites,
          exclude: [...defaultExclude, ...timed],
          provide: { stores: 'real' },
          globalSetup: 'src/dev/testing/real-services.global-setup.ts',
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'timed',
          ...alone,
          setupFiles,
          include: timed,
          provide: { stores: 'real' },
          globalSetup: 'src/dev/testing/real-services.global-setup.ts',
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
})
