/** What goes wrong, in random order: servers and replicas are killed and frozen, clocks jump, rows are held, the database is put back. */

import { setTimeout as sleep } from 'node:timers/promises'
import { setClockWrong } from './clocks.ts'
import { holdAuditPartition, holdRows } from './held-rows.ts'
import type { Random } from './random.ts'
import { restoreDatabase } from './restored.ts'
import type { Replica, Site } from './site.ts'

export const FAULT_KINDS = [
  'PostgreSQL killed',
  'PostgreSQL frozen',
  'PostgreSQL restored',
  'Redis killed',
  'Redis frozen',
  'WeChat killed',
  'WeChat frozen',
  'replica killed',
  'replica frozen',
  'replica restarted',
  'replica clock wrong',
  'rows held',
  'audit partition held',
] as const
export type FaultKind = (typeof FAULT_KINDS)[number]
export type FaultTarget = 'postgres' | 'redis' | 'wechat' | 'replica' | 'rows'

/** What these show would be blurred by another fault at the same time. */
export const ALONE: readonly FaultKind[] = [
  'PostgreSQL restored',
  'replica clock wrong',
  'rows held',
  'audit partition held',
]

export type Fault = {
  kind: FaultKind
  target: FaultTarget
  /** Which one, for `replica`. */
  replica: Replica | undefined
  /** Of performance.now(); a fault has ended when the process runs again and answers. */
  startedAt: number
  endedAt: number
  /** Until every replica served login, refresh and status list again. */
  recoveryMs: number | undefined
  /** Of a database that was put back: what was acknowledged between these two moments may be gone. */
  copiedAt?: number
  restoredAt?: number
}

export type FaultsParts = {
  site: Site
  random: Random
  /** The longest a server stays away. */
  maxSeconds: number
  onViolation: (what: string) => void
  /** How many lines of this replica's log have named its clock. */
  clockAlerts: (replica: Replica) => number
}

export type Faults = {
  /** All that happened, the one under way with an infinite `endedAt`. */
  log: readonly Fault[]
  cause(kind: FaultKind): Promise<Fault>
}

export function createFaults({ site, random, maxSeconds, onViolation, clockAlerts }: FaultsParts): Faults {
  const log: Fault[] = []

  /** The first replica is never killed: its memory tells of the whole run. */
  function choose(kind: FaultKind): Replica | undefined {
    if (!kind.startsWith('replica')) return undefined
    const first = kind === 'replica frozen' ? 0 : 1
    return site.replicas[first + random.whole(site.replicas.length - first)]
  }

  async function interrupt(fault: Fault, awayMs: number): Promise<void> {
    const { kind, target, replica } = fault
    const service = target === 'replica' ? replica?.service : target !== 'rows' && site[target]
    if (!service) throw new Error(`there is nothing for: ${kind}`)
    if (kind.endsWith('frozen')) {
      service.freeze()
      await sleep(awayMs)
      service.thaw()
    } else if (kind.endsWith('killed')) {
      await service.kill()
      await sleep(awayMs / 2)
      await service.restart()
    } else {
      const code = await service.end()
      if (code !== 0) onViolation(`${replica?.name} exited with ${code} on SIGTERM`)
      await service.restart()
    }
  }

  async function causeOf(fault: Fault, awayMs: number): Promise<void> {
    const { kind, replica } = fault
    if (kind === 'replica clock wrong' && replica) {
      await setClockWrong({ site, replica, random, forMs: awayMs / 2, onViolation, clockAlerts })
    } else if (kind === 'PostgreSQL restored') {
      const mark = (moment: 'copiedAt' | 'restoredAt') => {
        fault[moment] = performance.now()
      }
      await restoreDatabase({ postgres: site.postgres, laterMs: awayMs, mark })
    } else if (kind === 'rows held') {
      // Beyond the patience of 2.5 s, so that some are refused and some wait it out.
      await holdRows({ site, forMs: 2000 + awayMs / 2, name: `held${log.length}`, onViolation })
    } else if (kind === 'audit partition held') {
      await holdAuditPartition({ site, forMs: 2000 + awayMs / 2 })
    } else await interrupt(fault, awayMs)
  }

  return {
    log,
    async cause(kind) {
      const fault: Fault = {
        ...{ kind, target: targetOf(kind), replica: choose(kind) },
        ...{ startedAt: performance.now(), endedAt: Number.POSITIVE_INFINITY, recoveryMs: undefined },
      }
      log.push(fault)
      // A frozen server is noticed after a second or two: some freezes end before, some after.
      await causeOf(fault, random.between(maxSeconds / 5, maxSeconds) * 1000)
      fault.endedAt = performance.now()
      return fault
    },
  }
}

function targetOf(kind: FaultKind): FaultTarget {
  if (kind.startsWith('PostgreSQL')) return 'postgres'
  if (kind.startsWith('Redis')) return 'redis'
  if (kind.endsWith('held')) return 'rows'
  return kind.startsWith('WeChat') ? 'wechat' : 'replica'
}
