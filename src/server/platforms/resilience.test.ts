/** The limits around a platform, on calls that are nothing but a promise. */
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test, vi } from 'vitest'
import { PlatformError } from './platform.ts'
import { createGuard } from './resilience.ts'

function start({ admitted = 100 } = {}) {
  const onCall = vi.fn()
  const onBreaker = vi.fn()
  return { guard: createGuard({ operation: 'code2Session', admitted, onCall, onBreaker }), onCall, onBreaker }
}

const fails = (failure: 'timeout' | 'unreachable' | 'status' | 'body', errcode?: string) => () =>
  Promise.reject(new PlatformError('code2Session', failure, errcode === undefined ? {} : { errcode }))
const refuses = (refusal: 'code_invalid' | 'user_blocked' | 'rate_limited' | 'system_busy') => () =>
  Promise.reject(new PlatformError('code2Session', 'refused', { refusal }))
const failureOf = (call: Promise<unknown>) =>
  call.then(
    () => 'ok',
    (error: unknown) => (error instanceof PlatformError ? (error.refusal ?? error.failure) : 'defect'),
  )

test.each([
  ['timeout', fails('timeout')],
  ['unreachable', fails('unreachable')],
  ['status', fails('status', '503')],
  ['system_busy', refuses('system_busy')],
] as const)(
  'a platform that keeps failing (%s) is no longer called, and the caller is told at once',
  async (kind, call) => {
    const { guard, onBreaker } = start()
    for (let n = 0; n < 10; n += 1) expect(await failureOf(guard(call))).toBe(kind)
    const next = vi.fn(async () => 'answer')
    expect(await failureOf(guard(next))).toBe('busy')
    expect(next).not.toHaveBeenCalled()
    expect(onBreaker).toHaveBeenLastCalledWith(true)
  },
)

test.each([
  ['a page of a firewall, 403', fails('status', '403')],
  ['a redirect', fails('status', '302')],
  ['HTML, or a phone number of an odd form', fails('body')],
] as const)('what one sender can provoke (%s) stops nobody else, however often', async (_, call) => {
  const { guard, onBreaker } = start()
  for (let n = 0; n < 200; n += 1) await failureOf(guard(call))
  expect(await failureOf(guard(async () => 'answer'))).toBe('ok')
  expect(onBreaker).not.toHaveBeenCalled()
})

test.each(['code_invalid', 'user_blocked', 'rate_limited'] as const)(
  'refusals (%s) never hold calls back, however many',
  async (refusal) => {
    const { guard, onCall, onBreaker } = start()
    for (let n = 0; n < 200; n += 1) expect(await failureOf(guard(refuses(refusal)))).toBe(refusal)
    expect(onBreaker).not.toHaveBeenCalled()
    expect(onCall).toHaveBeenLastCalledWith('refused', expect.any(Number))
  },
)

test('an open breaker lets one call try after a second, sheds the others meanwhile, and closes when it succeeds', async () => {
  const { guard, onBreaker } = start()
  for (let n = 0; n < 10; n += 1) await failureOf(guard(fails('timeout')))
  await sleep(1050)
  let answer: (value: string) => void = () => undefined
  const trial = guard(() => new Promise<string>((resolve) => (answer = resolve)))
  const others = vi.fn(async () => 'answer')
  expect(await Promise.all([1, 2, 3].map(() => failureOf(guard(others))))).toEqual(['busy', 'busy', 'busy'])
  expect(others).not.toHaveBeenCalled()
  answer('back')
  expect(await trial).toBe('back')
  expect(await failureOf(guard(others))).toBe('ok')
  expect(onBreaker.mock.calls).toEqual([[true], [false]])
})

test('beyond its bound a call is shed before it is made, and its place is free again afterwards', async () => {
  const { guard } = start({ admitted: 2 })
  const answers: (() => void)[] = []
  const hanging = () => new Promise<string>((resolve) => answers.push(() => resolve('late')))
  const under = [guard(hanging), guard(hanging)]
  expect(await failureOf(guard(async () => 'answer'))).toBe('busy')
  for (const answer of answers) answer()
  expect(await Promise.all(under)).toEqual(['late', 'late'])
  expect(await failureOf(guard(async () => 'answer'))).toBe('ok')
})
