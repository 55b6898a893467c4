/** A chaos run: load that never stops, faults in random order, and at the end every promise that was made is called in. */

import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from 'pg'
import { createVerifier } from '../src/sdk/verifier/verifier.ts'
import { type Balancer, createBalancer } from './balancer.ts'
import { createEndedWatch } from './ended.ts'
import { createFaults, FAULT_KINDS, type Fault, type FaultKind } from './faults.ts'
import { watchMemory } from './memory.ts'
import { createRandom, type Random } from './random.ts'
import { createRecorder, RECOVERY_MS, type Recorder } from './recorder.ts'
import { faultTable, seconds } from './report.ts'
import { ISSUER, type Replica, type Site, startSite } from './site.ts'
import { createUser, type HeldSession, type Ledger, mustBeDead, newLedger, refreshCall, said } from './users.ts'

export type ChaosOptions = {
  /** How long faults are caused; at least one of each kind is. */
  seconds: number
  seed: number
  users?: number
  /** The longest a server stays away. */
  maxFaultSeconds: number
  say: (line: string) => void
}

export type ChaosReport = { table: string; summary: string; violations: readonly string[]; faults: readonly Fault[] }

/** For continuous integration: one round. */
export const QUICK = { seconds: 15, maxFaultSeconds: 3 }

const WARM_UP_MS = 2000
const STUCK_MS = 30_000
const CHECKED_AT_ONCE = 16
const MAX_ENDED_CHECKED = 3000

export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const { seed, users = 24, maxFaultSeconds, say } = options
  const random = createRandom(seed)
  const recorder: Recorder = createRecorder(() => faults.log)
  const site = await startSite({
    replicas: 3,
    onLog: (replica, line) => {
      // A line that is no JSON is a process's last words.
      if (!line.startsWith('{') || /ALERT: defect|unhandled rejection|cannot start/.test(line)) {
        recorder.violation(`${replica} said: ${line}`)
      }
    },
  })
  const onViolation = (what: string) => recorder.violation(what)
  const faults = createFaults({ site, random, maxSeconds: maxFaultSeconds, onViolation })
  const balancer = createBalancer(site.replicas, recorder)
  const verifier = createVerifier({ issuer: ISSUER, audience: ISSUER, fetch: balancer.fetch })
  const ledger = newLedger()
  const ended = createEndedWatch({ verifier, faults: () => faults.log, recorder })
  let running = true

  try {
    await verifier.ready()
    const memory = watchMemory(site.replicas[0]?.service.pid ?? 0)
    const load = Array.from({ length: users }, (_, index) => {
      const user = createUser({
        ...{ name: `user${index}`, random: createRandom(seed + index + 1), balancer, verifier, recorder, ledger },
        running: () => running,
        onEnded: ended.add,
      })
      return user.run()
    })
    await sleep(WARM_UP_MS)
    await causeFaults({ site, faults, random, seconds: options.seconds, overlap: maxFaultSeconds > 3, say, recorder })
    say('every server is up: waiting until the verifier was asked about every ended session')
    running = false
    await Promise.all(load)
    await ended.finish()
    await callIn({ ledger, balancer, recorder, say })
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
      faults: faults.log,
      table: faultTable(faults.log, recorder),
      summary: [
        `${ledger.logins} logins, ${ledger.refreshes} refreshes and ${ledger.verified} verifications were acknowledged; at the end`,
        `${ledger.live.size} sessions were live and refreshed, ${ledger.ended.length} had ended and stayed so; the verifier refused`,
        `${refused} of them in time (${expired} had expired before the clock ran out). Abandoned: ${ledger.abandoned}. Memory: ${text}.`,
      ].join(' '),
      violations: recorder.violations(),
    }
  } finally {
    running = false
    verifier.close()
    await balancer.stop()
    await site.stop()
  }
}

type CausingParts = {
  site: Site
  faults: ReturnType<typeof createFaults>
  random: Random
  seconds: number
  /** Whether two things may be broken at once. */
  overlap: boolean
  say: (line: string) => void
  recorder: Recorder
}

/** Every kind once in each round, in an order of chance; the first round is always finished. */
async function causeFaults({ site, faults, random, seconds: forSeconds, overlap, say, recorder }: CausingParts) {
  const beganAt = performance.now()
  const isOver = () => performance.now() - beganAt > forSeconds * 1000
  for (let round = 0; round === 0 || !isOver(); round += 1) {
    const deck = random.shuffled(FAULT_KINDS)
    while (deck.length > 0 && !(round > 0 && isOver())) {
      const kinds = deck.splice(0, 1)
      const other = deck.findIndex((kind) => targetWord(kind) !== targetWord(kinds[0]))
      if (overlap && other !== -1 && random.chance(0.25)) kinds.push(...deck.splice(other, 1))
      const caused = await Promise.all(kinds.map((kind) => faults.cause(kind)))
      const recoveryMs = await recovery(site.replicas)
      for (const fault of caused) fault.recoveryMs = recoveryMs
      const lasted = seconds(Math.max(...caused.map(({ startedAt, endedAt }) => endedAt - startedAt)))
      const at = Math.round((performance.now() - beganAt) / 1000)
      say(`${String(at).padStart(4)} s  ${kinds.join(' and ')}: away ${lasted}, recovered in ${seconds(recoveryMs)}`)
      if (recoveryMs > RECOVERY_MS) recorder.violation(`${kinds.join(' and ')}: recovery took ${seconds(recoveryMs)}`)
      await sleep(random.between(300, 1500))
    }
  }
}

const targetWord = (kind: FaultKind | undefined) => kind?.split(' ')[0]

/** How long until each replica serves all that it serves. */
async function recovery(replicas: readonly Replica[]): Promise<number> {
  const beganAt = performance.now()
  const tookMs = () => performance.now() - beganAt
  await Promise.all(
    replicas.map(async (replica) => {
      while (!(await servesAll(replica)) && tookMs() < STUCK_MS) await sleep(100)
    }),
  )
  return tookMs()
}

let probes = 0

async function servesAll({ url, adminUrl }: Replica): Promise<boolean> {
  try {
    probes += 1
    const login = await ask(`${url}/api/login`, { code: `dev:probe:${probes}` })
    const { refresh_token } = JSON.parse(login).data
    await ask(`${url}/api/refresh`, { refresh_token })
    await ask(`${url}/status-lists/0`)
    await ask(`${adminUrl}/readyz`)
    return true
  } catch {
    return false
  }
}

async function ask(url: string, body?: object): Promise<string> {
  const post = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
  const reply = await fetch(url, { ...(body ? post : {}), signal: AbortSignal.timeout(3000) })
  const text = await reply.text()
  if (reply.status !== 200) throw new Error(`${url} answered ${reply.status}`)
  return text
}

type CallInParts = { ledger: Ledger; balancer: Balancer; recorder: Recorder; say: (line: string) => void }

/** Everything is up now, so nothing excuses: what was acknowledged works, what ended does not. */
async function callIn({ ledger, balancer, recorder, say }: CallInParts): Promise<void> {
  say(`calling in ${ledger.live.size} live sessions and ${ledger.ended.length} ended ones`)
  await eachOf([...ledger.live], async (session) => {
    const answer = await balancer.send(refreshCall(session))
    if (answer.status !== 200) recorder.violation(`${session.name}: lost, its refresh token answers ${said(answer)}`)
  })
  await eachOf(ledger.ended.slice(-MAX_ENDED_CHECKED), (session) => mustBeDead(session, balancer, recorder))
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
