/** Plays a trace on the real parts and on the model side by side; throws at the first step after which the two differ. */
import { decodeJwt, decodeProtectedHeader } from 'jose'
import { GatewayError } from '../../../server/errors.ts'
import type { TokenReply } from '../../../server/sessions/token-reply.ts'
import { createKeyWatch } from './key-watch.ts'
import { createListWatch, type ListWatch } from './list-watch.ts'
import { type Act, after, afterRace, apply, emptyModel, type ModelState, type Outcome } from './model.ts'
import type { Claims, Held } from './onlooker.ts'
import type { At, ClientStep, Step } from './steps.ts'
import { config, databaseNow, newHands, type openStage, operator, type Replica, startReplica, user } from './world.ts'

export type Stage = Awaited<ReturnType<typeof openStage>>
export type Player = Awaited<ReturnType<typeof startPlayer>>

const times = {
  idleMs: config.refreshTokenTtlSeconds * 1000,
  absoluteMs: config.sessionTtlSeconds * 1000,
  reuseMs: config.refreshReuseIntervalSeconds * 1000,
  toleranceMs: 5000,
}
/** At most this many sessions of a person: beyond it the oldest would have to go. */
const MAX_SESSIONS = 5
/** What replicas do on their own comes at least this often. */
const JOBS_EVERY_MS = 2000
const hasEnded = (sid: string) => (model: ModelState) => model.sessions[sid]?.ended === true
const others = { 0: 1, 1: 0 } as const
/** Two replicas for as many traces as are wanted; what one leaves behind is none of the next one's business. */
export async function startPlayer(stage: Stage) {
  await stage.clean()
  const hands = newHands()
  let gate: (() => Promise<void>) | undefined
  const start = (at: At) => startReplica({ stores: stage.views[at], hands, at, gate: async () => await gate?.() })
  const replicas: [Replica, Replica] = [await start(0), await start(1)]
  const signs = (at: At) => Math.abs(hands.replicaMs[at]) <= config.clockSkewLimitSeconds * 1000
  const keys = createKeyWatch(replicas)
  let jobsAtMs = 0
  let refreshExpiresIn = 0
  /** More than one where a race may have ended in either of two ways that look alike so far. */
  let models: ModelState[]
  let held: Held[]
  let userIds: Map<number, string>
  let lists: ListWatch
  let trace = stage.nextTrace()
  const newLists = () =>
    createListWatch({ hands, replicas, signs, keys, mayHaveEnded: (sid) => models.some(hasEnded(sid)) })
  function forget(): void {
    models = [emptyModel()]
    held = []
    userIds = new Map()
    lists = newLists()
    trace = stage.nextTrace()
  }
  forget()

  const withTokens = () => held.filter(({ refresh }) => refresh.size > 0)
  const sessionOf = ({ session }: { session: number }) => withTokens()[session % Math.max(1, withTokens().length)]
  const tokenOf = (step: { session: number; age: number }) => {
    const of = sessionOf(step)
    const counters = [...(of?.refresh.keys() ?? [])].sort((a, b) => b - a)
    const counter = counters[Math.min(step.age, counters.length - 1)]
    return of && counter !== undefined ? { of, counter, text: of.refresh.get(counter) ?? '' } : undefined
  }
  const accessOf = (step: { session: number; age: number }) => {
    const of = sessionOf(step)
    const token = of?.access.at(-1 - Math.min(step.age, of.access.length - 1))
    return of && token ? { of, token } : undefined
  }

  /** What the model is asked, and what the replica; undefined where the step says nothing as things stand. */
  function prepare(step: ClientStep): { act: Act; run: () => Promise<Outcome> } | undefined {
    const { sessions, users, lists: statusLists } = replicas[step.at]
    if (step.do === 'poll') return { act: { do: 'poll' }, run: () => statusLists.poll().then(() => 'ok') }
    if (step.do === 'login') {
      if (held.filter(({ person }) => person === step.person).length >= MAX_SESSIONS) return undefined
      const of: Held = { sid: replicas[step.at].newSid(), person: step.person, refresh: new Map(), access: [] }
      const act = { do: 'login', person: step.person, sid: of.sid, signs: signs(step.at) } as const
      held.push(of)
      return {
        act,
        run: async () => learn(of, await replicas[step.at].login(`p${step.person} of ${trace}`, of.sid), step),
      }
    }
    if (step.do === 'suspend' || step.do === 'reinstate') {
      const id = userIds.get(step.person)
      if (id === undefined) return undefined
      return {
        act: { do: step.do, person: step.person },
        run: async () => ((await users[step.do](id, operator)) ? 'ok' : 'refused'),
      }
    }
    if (step.do === 'use') {
      const found = accessOf(step)
      if (!found) return undefined
      const { of, token } = found
      const good = token.claims.exp > Math.floor(databaseNow(hands) / 1000) && keys.knows(step.at, token.kid)
      return {
        act: { do: 'use', sid: of.sid, good },
        run: async () => ((await sessions.authenticate(token.text)).sid === of.sid ? 'ok' : 'refused'),
      }
    }
    if (step.do === 'endOthers') {
      const of = sessionOf(step)
      const userId = of && userIds.get(of.person)
      if (!of || userId === undefined) return undefined
      return {
        act: { do: 'endOthers', person: of.person, keep: of.sid },
        run: async () => `ended ${await sessions.end({ userId, except: of.sid }, 'ended_by_user', user)}`,
      }
    }
    const token = tokenOf(step)
    if (!token) return undefined
    const { of, counter, text } = token
    if (step.do === 'logout')
      return {
        act: { do: 'logout', sid: of.sid },
        async run() {
          const sid = await sessions.sidOf(text)
          return `ended ${await sessions.end({ sid: String(sid) }, 'logout', user)}`
        },
      }
    return {
      act: { do: 'refresh', sid: of.sid, counter, signs: signs(step.at) },
      run: async () => learn(of, await sessions.refresh(text, user), step),
    }
  }

  /** Reads a reply, holds it against what else is known, and keeps its tokens unless it was lost. */
  function learn(of: Held, reply: TokenReply, { at, lost }: { at: At; lost?: boolean }): Outcome {
    const content = replicas[at].refreshTokens.read(reply.refresh_token)
    if (content?.sid !== of.sid) throw new Error('the refresh token is of another session')
    const { counter } = content
    const known = of.refresh.get(counter)
    if (known !== undefined && known !== reply.refresh_token) throw new Error('one counter, two refresh tokens')
    userIds.set(of.person, reply.user_id)
    refreshExpiresIn = reply.refresh_expires_in
    const claims = decodeJwt<Claims>(reply.token)
    const kid = String(decodeProtectedHeader(reply.token).kid)
    keys.signed(kid)
    lists.given(of.sid, claims)
    const session = { claims, kid, text: reply.token }
    if (claims.sid !== of.sid) throw new Error('the access token is of another session')
    if (!lost) {
      of.refresh.set(counter, reply.refresh_token)
      of.access.push(session)
    }
    return `ok ${counter}`
  }

  const outcomeOf = async (run: () => Promise<Outcome>): Promise<Outcome> => {
    try {
      return await run()
    } catch (error) {
      const codes: Record<string, Outcome> = {
        A0220: 'replayed',
        A0230: 'refused',
        A0202: 'suspended',
        B0320: 'unavailable',
      }
      const outcome = error instanceof GatewayError ? codes[error.code] : undefined
      if (outcome === undefined) throw error
      return outcome
    }
  }

  async function alone(step: ClientStep): Promise<void> {
    const prepared = prepare(step)
    if (!prepared) return
    const { act, run } = prepared
    const now = databaseNow(hands)
    const seen = await outcomeOf(run)
    const next = after(models, act, seen, now, times)
    if (next.length === 0) {
      const expected = models.map((model) => apply(structuredClone(model), act, now, times))
      throw new Error(`the model says "${expected.join(' or ')}", the gateway "${seen}"`)
    }
    models = next
    checkTimes(act, seen)
  }

  /** No access token outlives its session (contract section 6). */
  function checkTimes(act: Act, seen: Outcome): void {
    if (act.do !== 'refresh' && act.do !== 'login') return
    const session = models[0]?.sessions[act.sid]
    const newest = held.find(({ sid }) => sid === act.sid)?.access.at(-1)?.claims
    if (!session || !newest) return
    if (newest.exp > Math.floor(session.endsAt / 1000)) throw new Error('an access token outlives its session')
    if (newest.exp > newest.iat + config.accessTokenTtlSeconds) throw new Error('an access token lives too long')
    const left = Math.ceil((Math.min(session.idleEndsAt, session.endsAt) - databaseNow(hands)) / 1000)
    if (seen.startsWith('ok') && refreshExpiresIn !== left)
      throw new Error(`the session ends in ${left} s, not in ${refreshExpiresIn} s, as the reply says`)
  }

  async function race(step: Step & { do: 'race' }): Promise<void> {
    const prepared = step.acts.flatMap((act) => prepare(act) ?? [])
    const { order } = step
    if (order) gate = () => order.schedule(Promise.resolve())
    try {
      const all = Promise.all(prepared.map(({ run }) => outcomeOf(run)))
      const seen = await (order ? order.waitFor(all) : all)
      const acts = prepared.map(({ act }) => act)
      const next = afterRace(models, acts, seen, databaseNow(hands), times)
      if (next.length === 0)
        throw new Error(
          `no order of these explains what was seen: ${acts.map((act, at) => `${act.do} "${seen[at]}"`).join(', ')}`,
        )
      models = next
    } finally {
      gate = undefined
    }
  }

  /** Keys and lists, as the timed jobs do it. */
  async function tick(at: At): Promise<void> {
    await replicas[at].ring.tick()
    keys.loaded(at)
  }
  async function jobs(at: At): Promise<void> {
    await tick(at)
    await replicas[at].lists.poll()
  }

  async function wait({ seconds, lag, ask }: Step & { do: 'wait' }): Promise<void> {
    const until = hands.elapsedMs + seconds * 1000
    if (until - jobsAtMs > JOBS_EVERY_MS) {
      jobsAtMs = Math.max(hands.elapsedMs, until - Math.min(lag * 1000, JOBS_EVERY_MS))
      hands.elapsedMs = jobsAtMs
      for (const at of [0, 1] as const) await tick(at)
      await Promise.all(replicas.map((replica) => replica.lists.poll()))
    }
    hands.elapsedMs = until
    // A list that was being built when the clock moved is built again a second later; here no timer does it.
    if (lists.late() !== undefined) {
      hands.elapsedMs += 1000
      await Promise.all(replicas.map((replica) => replica.lists.poll()))
      const late = lists.late()
      if (late !== undefined) throw new Error(late)
    }
    await lists.onlook(held, ask)
  }

  async function other(step: Exclude<Step, ClientStep>): Promise<void> {
    if (step.do === 'race') return await race(step)
    if (step.do === 'wait') return await wait(step)
    if (step.do === 'databaseBack') {
      hands.databaseMs -= step.seconds * 1000
      keys.clockWentBack()
    } else if (step.do === 'clock') {
      // One replica is always right: with none that may sign nothing is promised.
      if (!signs(others[step.at])) return
      hands.replicaMs[step.at] = step.seconds * 1000
      await jobs(step.at)
    } else if (step.do === 'rotate') {
      await replicas[step.at].ring.rotate(undefined, operator)
      keys.loaded(step.at)
    } else if (step.do === 'retire') {
      const kid = replicas[step.at].ring.list().find(({ state }) => state === step.which)?.kid
      if (kid === undefined) return
      // Another replica may have retired it a moment ago.
      if (await replicas[step.at].ring.retire(kid, operator)) keys.retired(step.at, kid)
    } else if (step.do === 'restart') {
      replicas[step.at].lists.stop()
      replicas[step.at] = await start(step.at)
      keys.loaded(step.at)
    } else {
      for (const { lists: each } of replicas) await each.poll()
      await stage.putBack()
    }
  }

  return {
    /** Begins a trace: nobody is known, both clocks are right. */
    async begin(): Promise<void> {
      forget()
      keys.clockIsRight()
      await stage.removeSessions()
      for (const at of [0, 1] as const) {
        const wasWrong = !signs(at)
        hands.replicaMs[at] = 0
        if (wasWrong) await jobs(at)
      }
    },
    async play(step: Step): Promise<void> {
      if (['race', 'wait', 'clock', 'databaseBack', 'rotate', 'retire', 'restart', 'putBack'].includes(step.do))
        await other(step as Exclude<Step, ClientStep>)
      else await alone(step as ClientStep)
      for (const { sid } of held) if (models.every(hasEnded(sid))) lists.ended(sid)
      const [problem] = replicas.flatMap(({ problems }) => problems)
      if (problem !== undefined) throw problem
    },
    close() {
      for (const { lists: each } of replicas) each.stop()
    },
  }
}
