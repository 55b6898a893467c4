/** The table of what was survived, for people. */

import { FAULT_KINDS, type Fault } from './faults.ts'
import type { FaultTally, Recorder } from './recorder.ts'

const HEADER = ['fault', 'times', 'requests', 'longest', 'recovery', 'errors']

export function faultTable(faults: readonly Fault[], recorder: Pick<Recorder, 'tallyOf'>): string {
  const rows = FAULT_KINDS.map((kind) => {
    const those = faults.filter((fault) => fault.kind === kind)
    const slowest = Math.max(...those.map((fault) => fault.recoveryMs ?? Number.NaN))
    return [
      kind,
      String(those.length),
      ...figures(recorder.tallyOf(kind), Number.isFinite(slowest) ? seconds(slowest) : '-'),
    ]
  })
  return aligned([HEADER, ...rows, ['nothing broken', '', ...figures(recorder.tallyOf('nothing broken'), '')]])
}

function figures({ requests, errors, longestMs }: FaultTally, recovery: string): string[] {
  const sorted = [...errors].sort(([, a], [, b]) => b - a)
  return [
    String(requests),
    seconds(longestMs),
    recovery,
    sorted.map(([name, count]) => `${name} ×${count}`).join(', ') || 'none',
  ]
}

export const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`

export function aligned(rows: string[][]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  const line = (row: string[]) =>
    row
      .map((cell, column) => {
        if (column === row.length - 1) return cell
        return column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)
      })
      .join('  ')
  return rows.map(line).join('\n')
}
