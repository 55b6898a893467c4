/** What sessions, refresh and their ends should do, in the smallest form: each step of a trace is held against it. */

export type ModelSession = {
  person: number
  counter: number
  refreshedAt: number
  idleEndsAt: number
  endsAt: number
  ended: boolean
}

/** Times are milliseconds of the database's clock. Plain data, so that it can be copied. */
export type ModelState = { sessions: Record<string, ModelSession>; suspended: number[] }

export type ModelTimes = { idleMs: number; absoluteMs: number; reuseMs: number; toleranceMs: number }

/** What a client or an operator asks for. `signs`: whether the replica that is asked may sign tokens. */
export type Act =
  | { do: 'login'; person: number; sid: string; signs: boolean }
  | { do: 'refresh'; sid: string; counter: number; signs: boolean }
  | { do: 'logout'; sid: string }
  | { do: 'endOthers'; person: number; keep: string }
  | { do: 'suspend'; person: number }
  | { do: 'reinstate'; person: number }
  /** `good`: the token itself is in order at the replica that is asked. */
  | { do: 'use'; sid: string; good: boolean }
  /** The replica reads what has ended: nothing changes. */
  | { do: 'poll' }

/**
 * `ok`, with the counter of the refresh token that is handed out where there is one; `ended` and how many; or why not. `unavailable`:
 * done, but no token could be signed.
 */
export type Outcome = `ok ${number}` | `ended ${number}` | 'ok' | 'replayed' | 'refused' | 'suspended' | 'unavailable'

export const emptyModel = (): ModelState => ({ sessions: {}, suspended: [] })

export const lives = ({ ended, idleEndsAt, endsAt }: ModelSession, now: number): boolean =>
  !ended && idleEndsAt > now && endsAt > now

/** Carries the act out and says what its caller must see. */
export function apply(state: ModelState, act: Act, now: number, times: ModelTimes): Outcome {
  if (act.do === 'login') return login(state, act, now, times)
  if (act.do === 'refresh') return refresh(state, act, now, times)
  if (act.do === 'logout') return `ended ${end(state, (_, sid) => sid === act.sid)}`
  if (act.do === 'endOthers')
    return `ended ${end(state, ({ person }, sid) => person === act.person && sid !== act.keep)}`
  if (act.do === 'suspend') {
    state.suspended = [...new Set([...state.suspended, act.person])].sort()
    end(state, ({ person }) => person === act.person)
    return 'ok'
  }
  if (act.do === 'reinstate') {
    state.suspended = state.suspended.filter((person) => person !== act.person)
    return 'ok'
  }
  if (act.do === 'poll') return 'ok'
  const session = state.sessions[act.sid]
  if (!session || !act.good) return 'refused'
  return lives(session, now) && !state.suspended.includes(session.person) ? 'ok' : refusal(state, session)
}

function login(state: ModelState, act: Act & { do: 'login' }, now: number, times: ModelTimes): Outcome {
  if (state.suspended.includes(act.person)) return 'suspended'
  state.sessions[act.sid] = {
    person: act.person,
    counter: 0,
    refreshedAt: now,
    idleEndsAt: now + times.idleMs,
    endsAt: now + times.absoluteMs,
    ended: false,
  }
  return act.signs ? 'ok 0' : 'unavailable'
}

function refresh(state: ModelState, act: Act & { do: 'refresh' }, now: number, times: ModelTimes): Outcome {
  const session = state.sessions[act.sid]
  if (!session) return 'refused'
  if (!lives(session, now)) return refusal(state, session)
  if (act.counter === session.counter) {
    session.counter += 1
    session.refreshedAt = now
    session.idleEndsAt = now + times.idleMs
  } else {
    // A use that lies in the future is as old as any: a clock was set back in between.
    const age = now - session.refreshedAt
    const repeated = act.counter === session.counter - 1 && age <= times.reuseMs && age >= -times.toleranceMs
    if (!repeated) {
      session.ended = true
      return 'replayed'
    }
  }
  return act.signs ? `ok ${session.counter}` : 'unavailable'
}

const refusal = (state: ModelState, { person }: ModelSession): Outcome =>
  state.suspended.includes(person) ? 'suspended' : 'refused'

/** Also those that have run out of time and were never ended: their bits are set, too. */
function end(state: ModelState, chosen: (session: ModelSession, sid: string) => boolean): number {
  const ending = Object.entries(state.sessions).filter(([sid, session]) => !session.ended && chosen(session, sid))
  for (const [, session] of ending) session.ended = true
  return ending.length
}

/** One act: the states in which its caller must see what it saw. */
export function after(
  states: readonly ModelState[],
  act: Act,
  seen: Outcome,
  now: number,
  times: ModelTimes,
): ModelState[] {
  return states.flatMap((state) => {
    const next = structuredClone(state)
    return apply(next, act, now, times) === seen ? [next] : []
  })
}

/**
 * Acts at the same time: the states after any order of them in which each sees what it saw; none when no order explains it. Which
 * reason a refusal names is left open, since it is looked up afterwards.
 */
export function afterRace(
  states: readonly ModelState[],
  acts: readonly Act[],
  seen: readonly Outcome[],
  now: number,
  times: ModelTimes,
): ModelState[] {
  const possible = new Map<string, ModelState>()
  for (const state of states)
    for (const order of ordersOf(acts.length)) {
      const next = structuredClone(state)
      const fits = order.every((index) => {
        const act = acts[index]
        return act !== undefined && coarse(apply(next, act, now, times)) === coarse(seen[index])
      })
      if (fits) possible.set(JSON.stringify(sorted(next)), next)
    }
  return [...possible.values()]
}

const sorted = ({ sessions, suspended }: ModelState) => [
  Object.entries(sessions).sort(([a], [b]) => (a < b ? -1 : 1)),
  suspended,
]

const coarse = (outcome: Outcome | undefined) => (outcome === 'suspended' ? 'refused' : outcome)

function ordersOf(length: number): number[][] {
  if (length === 0) return [[]]
  return ordersOf(length - 1).flatMap((order) =>
    Array.from({ length }, (_, at) => [...order.slice(0, at), length - 1, ...order.slice(at)]),
  )
}
