/** A chaos run: load that never stops, faults in random order, and at the end every promise that was made is called in. */

import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from 'pg'
import { createVerifier } from '../src/sdk/verifier/verifier.ts'
import { type Balancer, createBalancer } from './balancer.ts'
import { createEndedWatch } from './ended.ts'
import { createExcuses } from './excuses.ts'
import { createFaults, type Fault, type FaultKind } from './faults.ts'
import { watchMemory } from './memory.ts'
import { createRandom } from './random.ts'
import { createRecorder, type Recorder } from './recorder.ts'
import { faultTable } from './report.ts'
import { causeFaults } from './rounds.ts'
import { createSampler, type Sample } from './samples.ts'
import { ISSUER, type Replica, type Site, startSite } from './site.ts'
import {
  createUser,
  type Excuses,
  type HeldSession,
  type Ledger,
  mustBeDead,
  newLedger,
  refreshCall,
  said,
} from './users.ts'

export type ChaosOptions = {
  /** How long faults are caused; at least one of each kind is. */
  seconds: number
  seed: number
  users?: number
  /** The longest a server stays away. */
  maxFaultSeconds: number
  /** One round, in which these come at the same time; else every kind alone, and two of them by chance. */
  together?: readonly (readonly FaultKind[])[]
  /** Milliseconds between two faults, from and to. */
  pauseMs?: readonly [number, number]
  /** Samples of memory, connections and latency, so many milliseconds apart. */
  sampleEveryMs?: number
  say: (line: string) => void
}

export type ChaosReport = {
  table: string
  summary: string
  violations: readonly string[]
  faults: readonly Fault[]
  samples: readonly Sample[]
  /** Of performance.now(). */
  beganAt: number
}

/** For continuous integration: one round with every kind once, what takes long beside what it has nothing to do with. */
export const QUICK = {
  seconds: 15,
  maxFaultSeconds: 3,
  together: [
    ['WeChat killed', 'replica killed'],
    ['WeChat frozen', 'replica restarted'],
  ],
} as const satisfies Partial<ChaosOptions>

const PAUSE_MS = [300, 1500] as const
const WARM_UP_MS = 2000
const CHECKED_AT_ONCE = 16
const MAX_ENDED_CHECKED = 3000

export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const { seed, users = 24, maxFaultSeconds, say } = options
  const random = createRandom(seed)
  const recorder: Recorder = createRecorder(() => faults.log)
  const alerts = new Map<string, number>()
  const site = await startSite({
    replicas: 3,
    ownClocks: true,
    onLog: (replica, line) => {
      if (line.includes('ALERT: the clock of this replica')) alerts.set(replica, (alerts.get(replica) ?? 0) + 1)
      // A line that is no JSON is a process's last words.
      if (!line.startsWith('{') || /ALERT: defect|unhandled rejection|cannot start/.test(line)) {
        recorder.violation(`${replica} said: ${line}`)
      }
    },
  })
  const onViolation = (what: string) => recorder.violation(what)
  const clockAlerts = ({ name }: Replica) => alerts.get(name) ?? 0
  const faults = createFaults({ site, random, maxSeconds: maxFaultSeconds, onViolation, clockAlerts })
  const excuses = createExcuses(() => faults.log)
  const beganAt = performance.now()
  const sampler = options.sampleEveryMs === undefined ? undefined : createSampler(site, options.sampleEveryMs)
  const balancer = createBalancer(site.replicas, {
    record(attempt) {
      recorder.record(attempt)
      sampler?.record(attempt)
    },
  })
  const verifier = createVerifier({ issuer: ISSUER, audience: ISSUER, fetch: balancer.fetch })
  const ledger = newLedger()
  const ended = createEndedWatch({ verifier, faults: () => faults.log, recorder, excuses })
  let running = true

  try {
    await verifier.ready()
    const memory = watchMemory(site.replicas[0]?.service.pid ?? 0)
    const load = Array.from({ length: users }, (_, index) => {
      const user = createUser({
        ...{
          name: `user${index}`,
          random: createRandom(seed + index + 1),
          balancer,
          verifier,
          recorder,
          ledger,
          excuses,
        },
        running: () => running,
        onEnded: ended.add,
      })
      return user.run()
    })
    await sleep(WARM_UP_MS)
    await causeFaults({
      ...{ site, faults, random, seconds: options.seconds, say, recorder },
      ...{ together: options.together, overlap: maxFaultSeconds > 3, pauseMs: options.pauseMs ?? PAUSE_MS },
    })
    say('every server is up: waiting until the verifier was asked about every ended session')
    running = false
    const samples = sampler?.stop() ?? []
    await Promise.all(load)
    await ended.finish()
    await callIn({ ledger, balancer, recorder, excuses, say })
    recorder.judgeOthers()
    await checkEndReasons(site, recorder)
    const { text, grew } = memory.stop()
    if (grew) recorder.violation(`memory grew: ${text}`)
    const { refused, expired } = ended.counts()
    for (const [what, count] of Object.entries({
      logins: ledger.logins,
      refreshes: ledger.refreshes,
      refused,
      verified: ledger.verified,
    })) {
      if (count === 0) recorder.violation(`nothing was proved: no ${what}`)
    }
    return {
      ...{ faults: faults.log, samples, beganAt },
      table: faultTable(faults.log, recorder),
      summary: [
        `${ledger.logins} logins, ${ledger.refreshes} refreshes and ${ledger.verified} verifications were acknowledged; at the end`,
        `${ledger.live.size} sessions were live and refreshed, ${ledger.ended.length} had ended and stayed so; the verifier refused`,
        `${refused} of them in time (${expired} had expired before the clock ran out). Abandoned: ${ledger.abandoned}, gone with the`,
        `states of the database that were put back: ${ledger.gone}. Memory: ${text}.`,
      ].join(' '),
      violations: recorder.violations(),
    }
  } finally {
    running = false
    sampler?.stop()
    verifier.close()
    await balancer.stop()
    await site.stop()
  }
}

type CallInParts = {
  ledger: Ledger
  balancer: Balancer
  recorder: Recorder
  excuses: Excuses
  say: (line: string) => void
}

/** Everything is up now, so nothing excuses: what was acknowledged works, what ended does not. */
async function callIn({ ledger, balancer, recorder, excuses, say }: CallInParts): Promise<void> {
  say(`calling in ${ledger.live.size} live sessions and ${ledger.ended.length} ended ones`)
  await eachOf([...ledger.live], async (session) => {
    const answer = await balancer.send(refreshCall(session))
    if (answer.status === 200) return
    if (excuses.mayBeGone(session.receivedAt)) ledger.gone += 1
    else recorder.violation(`${session.name}: lost, its refresh token answers ${said(answer)}`)
  })
  await eachOf(ledger.ended.slice(-MAX_ENDED_CHECKED), (session) =>
    mustBeDead(session, { balancer, recorder, excuses }),
  )
}

async function eachOf(sessions: HeldSession[], check: (session: HeldSession) => Promise<void>): Promise<void> {
  const left = [...sessions]
  const work = async () => {
    for (let session = left.pop(); session; session = left.pop()) await check(session)
  }
  await Promise.all(Array.from({ length: CHECKED_AT_ONCE }, work))
}

/** Nobody but the users themselves ended sessions: no replay was seen where there was none. */
async function checkEndReasons({ postgres }: Site, recorder: Recorder): Promise<void> {
  const client = new Client({ connectionString: postgres.url })
  await client.connect()
  const { rows } = await client.query<{ end_reason: string; count: string }>(
    `select end_reason, count(*) from sessions where ended_at is not null and end_reason <> 'logout' group by 1`,
  )
  await client.end()
  for (const { end_reason, count } of rows) recorder.violation(`${count} sessions were ended as ${end_reason}`)
}
