/** `npm run conformance`: the requirements against this gateway or any other mini-program login service. */
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { help, type Options, readOptions, UsageError } from './options.ts'
import { type Profile, ProfileError, readProfile } from './profile.ts'
import { junit } from './report-junit.ts'
import { tapHead, tapLine, tapSummary } from './report-tap.ts'
import { CannotTest, levelOf, type Requirement } from './requirement.ts'
import { matches, requirements, sections } from './requirements.ts'
import { expectReachable, fails, type Result, runAll } from './run.ts'
import { startSimulator } from './simulator.ts'
import { type Site, startOwn } from './site.ts'
import { worldOf } from './world.ts'

const ownProfile = fileURLToPath(new URL('profiles/gateway.json', import.meta.url))

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2), ownProfile)
  if (options.help) return say(help)
  const chosen = choose(options)
  if (options.list) return say(chosen.map((one) => `${one.id}\t${levelOf(one)}\t${one.text}\n`).join(''))
  if (options.mutants) {
    const { runMutants } = await import('./mutation.ts')
    const profile = readProfile(options.profile, { operator: '' })
    return (await runMutants(chosen, profile, options.jobs)) ? 0 : 1
  }
  const site = await siteOf(options)
  try {
    const results = await test(chosen, site, options)
    return results.some((result) => fails(result, options.strict)) ? 1 : 0
  } finally {
    await site.stop()
  }
}

function say(text: string): number {
  process.stdout.write(text)
  return 0
}

function choose({ only, skip }: Options): Requirement[] {
  const chosen = requirements.filter(({ id }) => (only.length === 0 || matches(id, only)) && !matches(id, skip))
  if (chosen.length === 0) throw new UsageError('--only and --skip leave no requirement: --list prints their ids')
  return chosen
}

type Target = Site & { profile: Profile }

async function siteOf(options: Options): Promise<Target> {
  if (options.bases.length === 0) {
    const profile = readProfile(options.profile, { operator: '' })
    process.stderr.write(`starting this gateway on ${options.stores} stores …\n`)
    return { ...(await startOwn(options.stores, profile)), profile }
  }
  const profile = readProfile(options.profile, options.values)
  const simulator = options.wechat === undefined ? await simulatorOn(options.wechatPort, profile) : undefined
  return {
    bases: options.bases,
    internal: options.internal ?? '',
    wechat: options.wechat ?? simulator?.url ?? '',
    values: options.values,
    profile,
    stop: async () => void (await simulator?.close(500)),
  }
}

async function simulatorOn(port: number, profile: Profile) {
  try {
    return await startSimulator(profile, port)
  } catch (error) {
    throw new UsageError(`the simulated WeChat cannot listen on port ${port}: ${String(error)}`)
  }
}

async function test(chosen: readonly Requirement[], site: Target, options: Options): Promise<Result[]> {
  const { profile } = site
  const world = worldOf(site, profile, options.patienceSeconds)
  await expectReachable(world)
  process.stdout.write(tapHead(chosen.length))
  let number = 0
  const results = await runAll(chosen, world, (result) => {
    number += 1
    process.stdout.write(tapLine(result, number, options.strict))
  })
  process.stdout.write(tapSummary(results, options.strict, profile.name))
  if (options.junit !== undefined) writeFileSync(options.junit, junit(results, sections, options.strict, profile.name))
  return results
}

try {
  process.exitCode = await main()
} catch (error) {
  if (!(error instanceof UsageError || error instanceof ProfileError || error instanceof CannotTest)) throw error
  process.stderr.write(`${error.message}\n`)
  process.exitCode = 2
}
