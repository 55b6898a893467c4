/**
 * `node bench/profile.ts`: where the CPU of a login goes. V8's sampling profile of the gateway's main thread under full load; each
 * sample is charged to whoever asked for the work: the nearest folder of ours, or package, up its stack.
 */

import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { gateway } from './contestants.ts'
import { type ProfileResult, profileTable } from './profile-report.ts'
import { type Profile, sharesOf } from './profile-shares.ts'
import { saveResult } from './results.ts'
import { createRunner } from './runner.ts'
import { enrol } from './scenarios.ts'
import { startSite } from './site.ts'

const USERS = 10_000
const CONNECTIONS = 256
const SAMPLE_EVERY_US = 500

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '10' } } })
const directory = mkdtempSync(join(tmpdir(), 'gateway-profile-'))
const site = await startSite()
try {
  // From the sources: V8 names the files that it runs, and of the bundle there is one.
  const [node = '', ...args] = [
    ...gateway.command.slice(0, -1),
    fileURLToPath(new URL('../src/main.ts', import.meta.url)),
  ]
  const flags = ['--cpu-prof', `--cpu-prof-dir=${directory}`, `--cpu-prof-interval=${SAMPLE_EVERY_US}`]
  const runner = await createRunner({ ...gateway, command: [node, ...flags, ...args] }, site)
  await runner.start()
  await enrol(runner, site, USERS)
  const load = {
    ports: [runner.port],
    path: gateway.paths.login,
    kind: 'login',
    connections: CONNECTIONS,
    users: USERS,
  } as const
  // V8 stamps its samples with the same clock.
  const window: number[] = []
  const figures = await site.generators.run(load, 3, Number(values.seconds), () => {
    window.push(Number(process.hrtime.bigint() / 1000n))
  })
  // It writes the profile as it exits.
  await runner.stop()
  const [file = ''] = readdirSync(directory).filter((name) => name.endsWith('.cpuprofile'))
  const profile: Profile = JSON.parse(readFileSync(join(directory, file), 'utf8'))
  const [fromUs = 0, toUs = 0] = window
  const result: ProfileResult = {
    connections: CONNECTIONS,
    requests: figures.requests,
    seconds: figures.seconds,
    ...sharesOf(profile, { fromUs, toUs }),
  }
  console.log(profileTable(result))
  saveResult('profile', result)
} finally {
  rmSync(directory, { recursive: true })
  await site.stop()
}
