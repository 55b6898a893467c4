/** What goes wrong, in random order: servers are killed and frozen, replicas too, and each gets back on its feet by itself. */

import { setTimeout as sleep } from 'node:timers/promises'
import type { Random } from './random.ts'
import type { Replica, Site } from './site.ts'

export const FAULT_KINDS = [
  'PostgreSQL killed',
  'PostgreSQL frozen',
  'Redis killed',
  'Redis frozen',
  'WeChat killed',
  'WeChat frozen',
  'replica killed',
  'replica frozen',
  'replica restarted',
] as const
export type FaultKind = (typeof FAULT_KINDS)[number]
export type FaultTarget = 'postgres' | 'redis' | 'wechat' | 'replica'

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
}

export type FaultsParts = {
  site: Site
  random: Random
  /** The longest a server stays away. */
  maxSeconds: number
  onViolation: (what: string) => void
}

export type Faults = {
  /** All that happened, the one under way with an infinite `endedAt`. */
  log: readonly Fault[]
  cause(kind: FaultKind): Promise<Fault>
}

export function createFaults({ site, random, maxSeconds, onViolation }: FaultsParts): Faults {
  const log: Fault[] = []

  /** The first replica is never killed: its memory tells of the whole run. */
  function choose(kind: FaultKind): Replica | undefined {
    if (!kind.startsWith('replica')) return undefined
    const first = kind === 'replica frozen' ? 0 : 1
    return site.replicas[first + random.whole(site.replicas.length - first)]
  }

  return {
    log,
    async cause(kind) {
      const replica = choose(kind)
      const target = targetOf(kind)
      const service = target === 'replica' ? replica?.service : site[target]
      if (!service) throw new Error(`there is nothing for: ${kind}`)
      const fault: Fault = {
        ...{ kind, target, replica },
        ...{ startedAt: performance.now(), endedAt: Number.POSITIVE_INFINITY, recoveryMs: undefined },
      }
      log.push(fault)
      // A frozen server is noticed after a second or two: some freezes end before, some after.
      const awayMs = random.between(maxSeconds / 5, maxSeconds) * 1000
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
      fault.endedAt = performance.now()
      return fault
    },
  }
}

function targetOf(kind: FaultKind): FaultTarget {
  if (kind.startsWith('PostgreSQL')) return 'postgres'
  if (kind.startsWith('Redis')) return 'redis'
  return kind.startsWith('WeChat') ? 'wechat' : 'replica'
}
