/** Logins while the platform behaves in some way, and what they must come to. */
import { eventually, expectRefused, expectThat } from '../checks.ts'
import type { Answer } from '../http.ts'
import { CODE2SESSION, type Fault } from '../wechat.ts'
import type { World } from '../world.ts'

/** A login of somebody new while the platform behaves like this. */
export async function loginUnder(world: World, fault: Fault): Promise<{ code: string; answer: Answer }> {
  const { wechat, service } = world
  await wechat.clearFaults()
  await wechat.forgetCalls()
  const code = await world.codeOf(world.someone())
  await wechat.fail({ path: CODE2SESSION, ...fault })
  const answer = await service.login(code)
  return { code, answer }
}

export const callsOf = async ({ wechat }: World) => (await wechat.calls(CODE2SESSION)).length

/** In between, so that a breaker that counts failures sees the platform as it is: mostly well. */
export async function healthy(world: World): Promise<void> {
  await world.wechat.clearFaults()
  await recovers(world, 5)
}

/** Somebody new can log in at every replica. */
export async function recovers(world: World, seconds: number): Promise<void> {
  for (let base = 0; base < world.service.bases.length; base += 1)
    await eventually(seconds, async () => void (await world.signIn(world.someone(), { base })))
}

export async function failsAsPlatform(world: World, what: string, fault: Fault): Promise<void> {
  const { answer } = await loginUnder(world, fault)
  expectRefused(world.service, answer, 'platformFailed', `a login answered by ${what}`)
  await healthy(world)
}

export function expectRetryAfter(answer: Answer): void {
  const seconds = answer.headers.get('retry-after')
  expectThat(/^[1-9]\d*$/.test(seconds ?? ''), 'a Retry-After of whole seconds', `Retry-After: ${seconds}`)
}
