/** Runs Stryker over one room: every operator, condition, literal and statement of its sources is broken, one at a time. */
import { fileURLToPath } from 'node:url'
import { Stryker } from '@stryker-mutator/core'
import { reportPath } from './report.ts'
import type { Room } from './rooms.ts'

/** Wide, since a mutant that is only slow on a busy machine must not count as caught. */
const TIMEOUT_MS = 30_000
const TIMEOUT_FACTOR = 4

/** An enum of a package that is not installed for itself. */
type LogLevel = NonNullable<ConstructorParameters<typeof Stryker>[0]['logLevel']>

export type StrykerRun = { files: readonly string[]; whole: boolean }

export async function runStryker(room: Room, { files, whole }: StrykerRun): Promise<void> {
  process.env.MUTATION_TESTS = room.tests.join()
  await new Stryker({
    mutate: [...files],
    testRunner: 'vitest',
    vitest: { configFile: 'mutation/vitest.config.ts', related: false },
    plugins: [
      fileURLToPath(import.meta.resolve('@stryker-mutator/vitest-runner')),
      fileURLToPath(new URL('texts.ts', import.meta.url)),
    ],
    ignorers: ['texts'],
    coverageAnalysis: 'perTest',
    concurrency: 1,
    timeoutMS: TIMEOUT_MS,
    timeoutFactor: TIMEOUT_FACTOR,
    incremental: true,
    incrementalFile: reportPath(room),
    force: whole,
    tempDirName: '.cache/stryker',
    reporters: ['progress-append-only'],
    warnings: false,
    logLevel: 'warn' as LogLevel,
    disableTypeChecks: false,
    // Stryker would rewrite it by TypeScript's JavaScript interface, which TypeScript 7 does not have; nothing here needs rewriting.
    tsconfigFile: 'none',
  }).runMutationTest()
}
