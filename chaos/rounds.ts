/** Rounds of faults, each followed by the question how long every replica took to serve all again. */

import { setTimeout as sleep } from 'node:timers/promises'
import { ALONE, type createFaults, FAULT_KINDS, type FaultKind } from './faults.ts'
import type { Random } from './random.ts'
import { RECOVERY_MS, type Recorder } from './recorder.ts'
import { seconds } from './report.ts'
import type { Replica, Site } from './site.ts'

const STUCK_MS = 30_000

type CausingParts = {
  site: Site
  faults: ReturnType<typeof createFaults>
  random: Random
  seconds: number
  /** Whether two things may be broken at once. */
  overlap: boolean
  /** Between two faults, from and to. */
  pauseMs: readonly [number, number]
  together: readonly (readonly FaultKind[])[] | undefined
  say: (line: string) => void
  recorder: Recorder
}

/** Every kind once in each round, in an order of chance; the first round is always finished. */
export async function causeFaults(parts: CausingParts): Promise<void> {
  const { site, faults, random, say, recorder } = parts
  const beganAt = performance.now()
  const isOver = () => performance.now() - beganAt > parts.seconds * 1000
  for (let round = 0; round === 0 || !isOver(); round += 1) {
    for (const kinds of drawRound(parts)) {
      if (round > 0 && isOver()) return
      const caused = await Promise.all(kinds.map((kind) => faults.cause(kind)))
      const recoveryMs = await recovery(site.replicas)
      for (const fault of caused) fault.recoveryMs = recoveryMs
      const lasted = seconds(Math.max(...caused.map(({ startedAt, endedAt }) => endedAt - startedAt)))
      const at = Math.round((performance.now() - beganAt) / 1000)
      say(`${String(at).padStart(4)} s  ${kinds.join(' and ')}: away ${lasted}, recovered in ${seconds(recoveryMs)}`)
      if (recoveryMs > RECOVERY_MS) recorder.violation(`${kinds.join(' and ')}: recovery took ${seconds(recoveryMs)}`)
      await sleep(random.between(...parts.pauseMs))
    }
  }
}

/** Every kind once; those in one group come at the same time. */
function drawRound({ random, overlap, together }: CausingParts): (readonly FaultKind[])[] {
  if (together) {
    const others = FAULT_KINDS.filter((kind) => !together.some((group) => group.includes(kind)))
    return random.shuffled([...together, ...others.map((kind) => [kind])])
  }
  const deck = random.shuffled(FAULT_KINDS)
  const groups: FaultKind[][] = []
  while (deck.length > 0) {
    const group = deck.splice(0, 1)
    const [first] = group
    const other = deck.findIndex((kind) => wordOf(kind) !== wordOf(first) && !ALONE.includes(kind))
    if (overlap && first && !ALONE.includes(first) && other !== -1 && random.chance(0.25)) {
      group.push(...deck.splice(other, 1))
    }
    groups.push(group)
  }
  return groups
}

const wordOf = (kind: FaultKind | undefined) => kind?.split(' ')[0]

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
