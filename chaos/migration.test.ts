/** The released version on the schema of this one: a migration runs while it serves, and it goes on serving. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { ROOT, runMigrations, startSite } from './site.ts'
import { holdLoad } from './steady-load.ts'

function run(command: string, args: string[], cwd = ROOT): string {
  const done = spawnSync(command, args, { cwd, encoding: 'utf8' })
  if (done.status !== 0) throw new Error(`${command} ${args.join(' ')} failed: ${done.error?.message ?? done.stderr}`)
  return done.stdout
}

const lines = (text: string) => text.split('\n').filter(Boolean)

/** What stands for the previous release until there is one: a commit before events and the console, with four migrations. */
const BEFORE_THE_FIRST_RELEASE = '26c7cf95dfba8a8f1960247cf38c8d7a48dfae07'

/** The newest release that this version comes after; a release in the making is tagged itself. */
function previousRelease(): string {
  const here = lines(run('git', ['tag', '--points-at', 'HEAD']))
  const releases = lines(run('git', ['tag', '--list', 'v[0-9]*', '--merged', 'HEAD', '--sort=-version:refname']))
  return releases.find((tag) => !here.includes(tag)) ?? BEFORE_THE_FIRST_RELEASE
}

/** That release's files, with its own dependencies where they differ from ours. */
function checkOut(tag: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'gateway-release-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const archive = join(folder, 'release.tar')
  run('git', ['archive', '--output', archive, tag])
  run('tar', ['-xf', archive], folder)
  const lockOf = (root: string) => readFileSync(join(root, 'package-lock.json'), 'utf8')
  if (lockOf(folder) === lockOf(ROOT)) symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
  else run('npm', ['ci', '--no-fund', '--no-audit'], folder)
  return folder
}

test('a migration runs while the previous release serves, which fails no request and can be started on the newer schema', async (context) => {
  const release = previousRelease()
  if (run('git', ['rev-parse', '--is-shallow-repository']).trim() === 'true')
    return context.skip('a shallow clone has no earlier release')
  const site = await startSite({ root: checkOut(release), replicas: 1 })
  onTestFinished(() => site.stop())
  const [older] = site.replicas
  if (!older) throw new Error('no replica')
  const load = holdLoad({ url: older.url, workers: 8, pauseMs: 20 })
  await sleep(1000)
  console.log(`${release}: ${runMigrations(ROOT, site.environment).trim()}`)
  await sleep(2000)
  await load.stop()
  expect(load.counts().failures).toEqual([])

  expect(await older.service.end()).toBe(0)
  await older.service.restart()
  const again = holdLoad({ url: older.url, workers: 8, pauseMs: 20 })
  await sleep(1000)
  await again.stop()
  expect(again.counts().failures).toEqual([])
  expect(again.counts().requests).toBeGreaterThan(50)
})
