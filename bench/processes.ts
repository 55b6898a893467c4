/** What a process tree has cost: CPU seconds and resident memory, read from the kernel. */

import { readFileSync } from 'node:fs'
import { childrenOf } from '../src/dev/services/service.ts'

// USER_HZ, the unit of the times in /proc/<pid>/stat (proc(5)): 100 on every Linux that Node runs on.
const TICKS_PER_SECOND = 100
const PAGE_BYTES = 4096

/** CPU seconds of the process, its living descendants, and the dead ones it has waited for. */
export function cpuSeconds(pid: number): number {
  return (
    sumOverTree(pid, (fields) => fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0)) / TICKS_PER_SECOND
  )
}

/** Megabytes (10^6 bytes) resident, summed over the tree. */
export function residentMegabytes(pid: number): number {
  return (sumOverTree(pid, (fields) => Number(fields[21])) * PAGE_BYTES) / 1e6
}

/** CPU seconds that all cores of the machine have been busy, for whomever. */
export function machineBusySeconds(): number {
  // proc(5): user nice system idle iowait irq softirq steal; guest times are in user already.
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = readFileSync('/proc/stat', 'utf8')
    .slice(3, 200)
    .trim()
    .split(/\s+/)
    .map(Number)
  return (user + nice + system + irq + softirq + steal) / TICKS_PER_SECOND
}

function sumOverTree(pid: number, value: (fields: string[]) => number): number {
  const fields = statOf(pid)
  if (!fields) return 0
  return childrenOf(pid).reduce((sum, child) => sum + sumOverTree(child, value), value(fields))
}

/** The fields after the command's name, which may itself hold spaces: [0] is the state, field 3 of proc(5). */
function statOf(pid: number): string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  } catch {
    return undefined
  }
}
