/** The steps of a trace as plain data: how they are drawn, and how they are written down so that they can be pasted. */
import fc from 'fast-check'

export type At = 0 | 1

/** What a client or an operator asks of a replica. `session` counts those whose tokens somebody has; `age` 0 is the newest token. */
export type ClientStep =
  | { do: 'login'; person: number; at: At; lost?: boolean }
  | { do: 'refresh'; session: number; age: number; at: At; lost?: boolean }
  | { do: 'use'; session: number; age: number; at: At }
  | { do: 'logout'; session: number; age: number; at: At }
  | { do: 'endOthers'; session: number; at: At }
  | { do: 'suspend'; person: number; at: At }
  | { do: 'reinstate'; person: number; at: At }
  | { do: 'poll'; at: At }

export type Step =
  | ClientStep
  /** All at once; `order` says which of the statements that wait is sent next: undefined where nothing depends on it. */
  | { do: 'race'; acts: ClientStep[]; order: fc.Scheduler | undefined }
  /** `lag`: how long before the end the replicas last did what they do on their own. `ask`: whom the verifier asks. */
  | { do: 'wait'; seconds: number; lag: number; ask: At }
  | { do: 'clock'; at: At; seconds: number }
  | { do: 'databaseBack'; seconds: number }
  | { do: 'rotate'; at: At }
  | { do: 'retire'; which: 'active' | 'pending'; at: At }
  | { do: 'restart'; at: At }
  | { do: 'putBack' }

const at = fc.constantFrom<At>(0, 1)
const person = fc.nat({ max: 1 })
const session = fc.nat({ max: 3 })
const age = fc.constantFrom(0, 0, 0, 0, 1, 1, 2, 3)
const lost = fc.constantFrom(false, false, true)
const of = <Name extends string, Rest>(name: Name, rest: { [Key in keyof Rest]: fc.Arbitrary<Rest[Key]> }) =>
  fc.record({ do: fc.constant(name), ...rest })

const login = of('login', { person, at, lost })
const refresh = of('refresh', { session, age, at, lost })
const use = of('use', { session, age, at })
const logout = of('logout', { session, age, at })
const endOthers = of('endOthers', { session, at })
const suspend = of('suspend', { person, at })
const reinstate = of('reinstate', { person, at })
const poll = of('poll', { at })

// One person, so that what races meets.
const racing = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('refresh' as const), session: fc.constant(0), age, at, lost }) },
  { weight: 1, arbitrary: of('use', { session: fc.constant(0), age, at }) },
  { weight: 2, arbitrary: of('logout', { session: fc.constant(0), age, at }) },
  { weight: 1, arbitrary: of('login', { person: fc.constant(0), at, lost }) },
  { weight: 1, arbitrary: of('suspend', { person: fc.constant(0), at }) },
  { weight: 1, arbitrary: of('reinstate', { person: fc.constant(0), at }) },
  { weight: 1, arbitrary: poll },
)
const race = fc.record({
  do: fc.constant('race' as const),
  acts: fc.array(racing as fc.Arbitrary<ClientStep>, { minLength: 2, maxLength: 4 }),
  order: fc.scheduler(),
})
const wait = of('wait', {
  seconds: fc.constantFrom(1, 2, 3, 10, 29, 30, 31, 34, 35, 36, 60, 119, 125, 280, 599, 600, 700),
  lag: fc.nat({ max: 2 }),
  ask: at,
})
const clock = of('clock', { at, seconds: fc.constantFrom(0, 0, 20, -20, 59, -59, 150, -150, 40 * 86_400) })
const databaseBack = of('databaseBack', { seconds: fc.constantFrom(1, 4, 6, 20) })
const rotate = of('rotate', { at })
const retire = of('retire', { which: fc.constantFrom('active' as const, 'pending' as const), at })
const restart = of('restart', { at })
const putBack = of('putBack', {})

const times = (count: number, one: fc.Arbitrary<unknown>) => Array.from({ length: count }, () => one)

/** As often as listed. */
export const steps = [
  ...times(2, login),
  ...times(8, refresh),
  ...times(3, use),
  ...times(2, logout),
  ...times(1, endOthers),
  ...times(1, suspend),
  ...times(1, reinstate),
  ...times(6, wait),
  ...times(3, race),
  ...times(1, clock),
  ...times(1, databaseBack),
  ...times(1, rotate),
  ...times(1, retire),
  ...times(1, restart),
  ...times(1, putBack),
] as fc.Arbitrary<Step>[]

/** A step as it stands in the source of a test. */
export function written(step: Step): string {
  const { do: name, ...rest } = step
  const members = Object.entries(rest)
    .filter(([key]) => key !== 'order')
    .map(
      ([key, value]) =>
        `${key}: ${key === 'acts' ? `[${step.do === 'race' ? step.acts.map(written).join(', ') : ''}]` : literal(value)}`,
    )
  if (step.do === 'race' && step.order) members.push(`order: fc.schedulerFor(${JSON.stringify(orderOf(step.order))})`)
  return `{ ${[`do: '${name}'`, ...members].join(', ')} }`
}

const literal = (value: unknown) => (typeof value === 'string' ? `'${value}'` : String(value))

const orderOf = (scheduler: fc.Scheduler): number[] =>
  scheduler
    .report()
    .filter(({ status }) => status !== 'pending')
    .map(({ taskId }) => taskId)

/** The whole test, ready to be pasted into traces.stores.test.ts. */
export const pasted = (trace: readonly Step[]): string =>
  [
    "test('a trace that failed', async () => {",
    '  await replay([',
    ...trace.map((step) => `    ${written(step)},`),
    '  ])',
    '})',
  ].join('\n')
