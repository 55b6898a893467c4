/** The key ring's promises over time, for any schedule, any replicas and any moments at which they reload. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { activeKey, decide, keyState, type RingKey, reloadSeconds, type Schedule } from './schedule.ts'

/** Bounds a world of short reloads. */
const MAX_RELOADS = 350

const at = (seconds: number) => new Date(seconds * 1000)

type Change = { kind: 'alg'; alg: Schedule['alg'] } | { kind: 'retire' }
type World = {
  schedule: Schedule
  /** When each replica starts, and how much later than planned its reloads come (1 is a whole period). */
  replicas: { startsAt: number; late: number }[]
  change: (Change & { atShare: number }) | undefined
}

type Signed = { kid: string; alg: string; first: number; last: number }
type Replica = {
  schedule: Schedule
  nextTick: number
  period: number
  keys: RingKey[]
  /** What it published, from when on. */
  published: { from: number; kids: string[] }[]
}

/** Lets a world run for some rotations, reload by reload as ring.ts does it, every replica signing before and after each. */
function run({ schedule, replicas: plans, change }: World, rotations = 6) {
  const whole = schedule.rotationSeconds * rotations + 600 + 3 * schedule.tokenTtlSeconds
  const end = Math.min(whole, MAX_RELOADS * reloadSeconds(schedule))
  let stored: RingKey[] = []
  let made = 0
  let changeAt = change
    ? (change.atShare * Math.min(end, schedule.rotationSeconds * rotations)) / 3
    : Number.POSITIVE_INFINITY
  let changedAt: number | undefined
  const signatures = new Map<string, Signed>()
  const retired: string[] = []
  const replicas = plans.map(
    (plan): Replica => ({
      schedule,
      nextTick: plan.startsAt * schedule.rotationSeconds,
      period: reloadSeconds(schedule) * (1 + plan.late),
      keys: [],
      published: [],
    }),
  )

  function reload(replica: Replica, now: number): void {
    const gone = stored.filter((key) => keyState(key, stored, at(now), replica.schedule) === 'gone')
    stored = stored.filter((key) => !gone.includes(key))
    replica.keys = stored.map((key) => ({ ...key }))
    const kids = replica.keys.map((key) => key.kid)
    // Before it has a key, a replica answers 503.
    if (kids.length > 0 && replica.published.at(-1)?.kids.join() !== kids.join())
      replica.published.push({ from: now, kids })
  }
  function tick(replica: Replica, now: number): void {
    reload(replica, now)
    const decision = decide(replica.keys, at(now), replica.schedule)
    if (decision.add && !stored.some((key) => key.generation === decision.generation)) {
      const { generation, activatesAt } = decision
      // Never a name that was there before, as with thumbprints: a generation is given again once its key was retired and deleted.
      made += 1
      const kid = `k${made}`
      stored.push({ kid, generation, alg: replica.schedule.alg, publishedAt: at(now), activatesAt, retiredAt: null })
      reload(replica, now)
    }
  }
  function sign(replica: Replica, now: number): void {
    const active = replica.keys.filter((key) => keyState(key, replica.keys, at(now), replica.schedule) === 'active')
    const [key] = active
    if (!key || active.length > 1 || key !== activeKey(replica.keys, at(now))) throw new Error('not exactly one signs')
    const known = signatures.get(key.kid)
    const first = Math.min(known?.first ?? now, now)
    signatures.set(key.kid, { kid: key.kid, alg: key.alg, first, last: Math.max(known?.last ?? now, now) })
  }
  /** What it signed between two reloads: around every change of hands, and at the end. */
  function signSince(replica: Replica, from: number, now: number): void {
    if (replica.keys.length === 0) return
    const changes = replica.keys
      .map((key) => key.activatesAt.getTime() / 1000)
      .filter((each) => each > from && each < now)
    for (const moment of [...changes.flatMap((each) => [each - 0.002, each]).sort((a, b) => a - b), now])
      sign(replica, moment)
  }
  function apply(now: number): void {
    changeAt = Number.POSITIVE_INFINITY
    changedAt = now
    if (change?.kind === 'alg') for (const replica of replicas) replica.schedule = { ...schedule, alg: change.alg }
    const active = activeKey(stored, at(now))
    if (change?.kind === 'retire' && active) {
      retired.push(active.kid)
      active.retiredAt = at(now)
    }
  }

  for (;;) {
    const replica = replicas.reduce((first, next) => (next.nextTick < first.nextTick ? next : first))
    const now = replica.nextTick
    if (now > end) break
    if (now >= changeAt && stored.length > 0) apply(now)
    signSince(replica, now - replica.period, now)
    tick(replica, now)
    sign(replica, now)
    replica.nextTick = now + replica.period
  }
  return { replicas, signatures: [...signatures.values()], stored, retired, end, changedAt }
}

const schedule = fc
  .record({
    maxAge: fc.integer({ min: 1, max: 600 }),
    aheadMore: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 900 })),
    rotationShare: fc.oneof(fc.constant(0), fc.double({ min: 0, max: 6, noNaN: true })),
    tokenTtlSeconds: fc.integer({ min: 1, max: 1200 }),
    alg: fc.constantFrom<Schedule['alg']>('ES256', 'RS256', 'EdDSA'),
  })
  .map(({ maxAge, aheadMore, rotationShare, tokenTtlSeconds, alg }): Schedule => {
    const publishAheadSeconds = maxAge + aheadMore
    const rotationSeconds = publishAheadSeconds + 1 + Math.floor(rotationShare * publishAheadSeconds)
    return { alg, rotationSeconds, publishAheadSeconds, jwksMaxAgeSeconds: maxAge, tokenTtlSeconds }
  })
// Up to 0.9 of a period late: a reload that failed once and came through at the next try.
const replica = fc.record({
  startsAt: fc.double({ min: 0, max: 2, noNaN: true }),
  late: fc.double({ min: 0, max: 0.9, noNaN: true }),
})
const replicas = fc.array(replica, { minLength: 1, maxLength: 3 })
const share = fc.double({ min: 0.1, max: 1, noNaN: true })
const quiet = fc.record({ schedule, replicas, change: fc.constant(undefined) })
const algChange = fc.record({
  schedule,
  replicas,
  change: fc.record({
    kind: fc.constant('alg' as const),
    alg: fc.constantFrom<Schedule['alg']>('ES256', 'RS256'),
    atShare: share,
  }),
})
const retirement = fc.record({
  schedule,
  replicas,
  change: fc.record({ kind: fc.constant('retire' as const), atShare: share }),
})
const runs = { numRuns: 30 }

/** The keys of which some verifier refuses a token: one that fetched from any replica up to max-age ago, until it expires. */
function refused({ replicas, signatures }: ReturnType<typeof run>, { schedule }: World): Signed[] {
  return signatures.filter(({ kid, first, last }) => {
    const from = first - schedule.jwksMaxAgeSeconds
    const until = last + schedule.tokenTtlSeconds
    return replicas.some(({ published }) =>
      published.some(({ from: start, kids }, index) => {
        const ends = published[index + 1]?.from ?? Number.POSITIVE_INFINITY
        return start <= until && ends > from && !kids.includes(kid)
      }),
    )
  })
}

test('at any moment exactly one key signs, and every token verifies with any JWKS up to max-age old, until it expires', () => {
  fc.assert(
    fc.property(fc.oneof(quiet, algChange), (world) => {
      expect(refused(run(world), world)).toEqual([])
    }),
    runs,
  )
})

test('once the next key signs on one replica, the one before signs on none', () => {
  fc.assert(
    fc.property(quiet, (world) => {
      const { signatures } = run(world)
      for (const [index, { last }] of signatures.entries())
        expect(last).toBeLessThanOrEqual(signatures[index + 1]?.first ?? Number.POSITIVE_INFINITY)
    }),
    runs,
  )
})

test('keys rotate: none signs much longer than it should, and those that are done with are gone', () => {
  fc.assert(
    fc.property(quiet, (world) => {
      const { rotationSeconds, publishAheadSeconds, tokenTtlSeconds, jwksMaxAgeSeconds } = world.schedule
      const { signatures, stored, end } = run(world)
      const slack = 4 * reloadSeconds(world.schedule)
      for (const { kid, first, last } of signatures) {
        expect(last - first).toBeLessThanOrEqual(Math.max(rotationSeconds, publishAheadSeconds) + slack)
        const dead = end - last > tokenTtlSeconds + 300 + jwksMaxAgeSeconds + slack
        if (dead) expect(stored.some((key) => key.kid === kid)).toBe(false)
      }
    }),
    runs,
  )
})

test('a change of algorithm is published first like any key, and then signs everything', () => {
  fc.assert(
    fc.property(algChange, (world) => {
      const { signatures, changedAt = Number.POSITIVE_INFINITY } = run(world)
      const settledAt =
        changedAt +
        world.schedule.rotationSeconds +
        world.schedule.publishAheadSeconds +
        5 * reloadSeconds(world.schedule)
      const late = signatures.filter((one) => one.last > settledAt)
      expect(late.filter((one) => one.alg !== world.change.alg)).toEqual([])
    }),
    runs,
  )
})

test('a retired key leaves every JWKS and signs nothing after the next reload, while another signs at once', () => {
  fc.assert(
    fc.property(retirement, (world) => {
      const { signatures, replicas, retired, end, changedAt = Number.POSITIVE_INFINITY } = run(world)
      const settledAt = changedAt + 2 * reloadSeconds(world.schedule)
      for (const kid of retired) {
        expect(signatures.some((one) => one.kid === kid && one.last > settledAt)).toBe(false)
        for (const { published } of replicas)
          expect(published.some((entry) => entry.from > settledAt && entry.kids.includes(kid))).toBe(false)
      }
      // A world may end before: then nobody signs any more.
      if (end > settledAt + 2 * reloadSeconds(world.schedule))
        expect(signatures.some((one) => one.last > settledAt)).toBe(true)
    }),
    runs,
  )
})

describe('to the second', () => {
  const schedule: Schedule = {
    ...{ alg: 'ES256', rotationSeconds: 2_592_000, publishAheadSeconds: 86_400 },
    ...{ jwksMaxAgeSeconds: 300, tokenTtlSeconds: 900 },
  }
  const key = (generation: number, activates: number): RingKey => ({
    ...{ kid: `key ${generation}`, generation, alg: 'ES256', retiredAt: null },
    ...{ publishedAt: at(activates - 86_400), activatesAt: at(activates) },
  })

  test('a key stays published until its last token is dead in the last cache, clocks five minutes off, and no longer', () => {
    const [old, next] = [key(1, 0), key(2, 1_000_000)]
    const stateAt = (seconds: number) => keyState(old, [old, next], at(seconds), schedule)
    const end = 1_000_000 + 900 + 300 + 300
    expect([999_999, 1_000_000, end, end + 1].map(stateAt)).toEqual(['active', 'retiring', 'retiring', 'gone'])
  })

  test('a key is published a day and two reloads before it signs, and signs from its very moment', () => {
    expect(decide([key(1, 0)], at(2_592_000 - 86_400 - 5), schedule)).toEqual({ add: false })
    expect(decide([key(1, 0)], at(2_592_000 - 86_400 - 4), schedule)).toEqual({
      ...{ add: true, generation: 2 },
      activatesAt: at(2_592_000),
    })
    const keys = [key(1, 0), key(2, 2_592_000)]
    expect([2_591_999, 2_592_000].map((seconds) => activeKey(keys, at(seconds))?.kid)).toEqual(['key 1', 'key 2'])
  })

  test.each([
    [86_400, 2],
    [600, 2],
    [10, 1],
    [1, 0.25],
  ])('published %i s ahead, keys are looked for every %f s', (publishAheadSeconds, seconds) => {
    expect(reloadSeconds({ ...schedule, publishAheadSeconds })).toBe(seconds)
  })
})
