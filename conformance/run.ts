/** Runs the requirements one after the other, each in fair weather, and says how each ended. */
import { shown } from './http.ts'
import { missing } from './profile.ts'
import { CannotTest, levelOf, type Requirement, Unmet } from './requirement.ts'
import type { World } from './world.ts'

export type Outcome =
  | { kind: 'met' }
  | { kind: 'unmet'; expected: string; seen: string }
  /** The profile does not offer what it is about. */
  | { kind: 'not offered'; reason: string }
  /** The check could not be made; counts as a failure, since nothing was shown. */
  | { kind: 'not tested'; reason: string }

export type Result = { requirement: Requirement; outcome: Outcome; seconds: number }

export async function runAll(
  requirements: readonly Requirement[],
  world: World,
  onResult: (result: Result) => void,
): Promise<Result[]> {
  const results: Result[] = []
  for (const requirement of requirements) {
    const startedAt = performance.now()
    const outcome = await runOne(requirement, world)
    const result = { requirement, outcome, seconds: (performance.now() - startedAt) / 1000 }
    results.push(result)
    onResult(result)
  }
  return results
}

async function runOne(requirement: Requirement, world: World): Promise<Outcome> {
  const lacking = missing(world.profile, requirement.needs)
  if (lacking.length > 0) return { kind: 'not offered', reason: `the profile has no ${lacking.join(', ')}` }
  try {
    await world.wechat.clearFaults()
    await world.wechat.forgetCalls()
    await requirement.check(world)
    return { kind: 'met' }
  } catch (error) {
    if (error instanceof Unmet) return { kind: 'unmet', expected: error.expected, seen: error.seen }
    if (error instanceof CannotTest) return { kind: 'not tested', reason: error.message }
    throw error
  } finally {
    await world.wechat.clearFaults()
  }
}

/** Whether a result fails the run; a SHOULD does so only when asked for. */
export function fails({ requirement, outcome }: Result, strict: boolean): boolean {
  if (outcome.kind !== 'unmet' && outcome.kind !== 'not tested') return false
  return strict || levelOf(requirement) === 'MUST'
}

/**
 * Before anything is judged: the service answers, and asks our simulator. Throws CannotTest with the likely reason, since otherwise
 * every requirement would fail for it.
 */
export async function expectReachable({ service, wechat, someone, codeOf }: World): Promise<void> {
  await wechat.clearFaults()
  await wechat.forgetCalls()
  for (let base = 0; base < service.bases.length; base += 1) {
    const answer = await service.login(await codeOf(someone()), { base })
    if (answer.status === 0) throw new CannotTest(`${service.bases[base]} does not answer: ${shown(answer)}`)
  }
  if ((await wechat.calls()).length === 0)
    throw new CannotTest(
      `the service did not call the simulated WeChat at ${wechat.url}: start it with that address in place of https://api.weixin.qq.com`,
    )
}
