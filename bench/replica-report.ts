/** The table of `bench/replicas.ts`: how throughput grows, and which side is the limit. */

import { median } from './figures.ts'
import type { Figures } from './load.ts'
import { table } from './report.ts'

/** Cores busy, by kind of process; `machine` is everything that ran. */
export type Cores = Record<'gateways' | 'postgres' | 'redis' | 'wechat' | 'load' | 'machine', number>

export type ReplicaSample = Figures & { perSecond: number; gatewayMegabytes: number; cores: Cores }

export type ReplicaResult = {
  rounds: number
  seconds: number
  connections: number
  cores: number
  /** By scenario and number of processes. */
  scenarios: Record<string, Record<string, ReplicaSample[]>>
}

const GENERATORS = 2
/** Of a core or of the machine: beyond it nothing more can be had there. */
const FULL = 0.9

/** The first that is used up, the whole machine before any part of it. */
export function limitOf(cores: Cores, processes: number, machineCores: number): string {
  if (cores.machine >= FULL * machineCores) return 'the machine'
  if (cores.gateways >= FULL * processes) return "the gateways' event loops"
  if (cores.redis >= FULL) return 'Redis'
  if (cores.wechat >= FULL) return 'the fake WeChat'
  if (cores.load >= FULL * GENERATORS) return 'the load generators'
  return 'waiting: the disk and locks'
}

export function replicaTables({ scenarios, cores: machineCores, connections }: ReplicaResult): string {
  return Object.entries(scenarios)
    .map(([name, byCount]) => {
      const one = Object.values(byCount)[0] ?? []
      const rows = Object.entries(byCount).map(([count, samples]) => {
        const of = (value: (sample: ReplicaSample) => number) => median(samples.map(value))
        const growth = median(samples.map((sample, round) => sample.perSecond / (one[round]?.perSecond ?? Number.NaN)))
        const cores: Cores = {
          gateways: of((sample) => sample.cores.gateways),
          postgres: of((sample) => sample.cores.postgres),
          redis: of((sample) => sample.cores.redis),
          wechat: of((sample) => sample.cores.wechat),
          load: of((sample) => sample.cores.load),
          machine: of((sample) => sample.cores.machine),
        }
        return [
          count,
          of((sample) => sample.perSecond).toFixed(0),
          growth.toFixed(2),
          of((sample) => sample.p50Ms).toFixed(1),
          of((sample) => sample.p99Ms).toFixed(1),
          ...Object.values(cores).map((busy) => busy.toFixed(1)),
          of((sample) => sample.gatewayMegabytes).toFixed(0),
          limitOf(cores, Number(count), machineCores),
        ]
      })
      const head = [
        'processes',
        '/s',
        'x one',
        'p50 ms',
        'p99 ms',
        'gateways',
        'postgres',
        'redis',
        'wechat',
        'load',
        'machine',
        'gateways MB',
        'limit',
      ]
      return `\n${name}, ${connections} connections   [cores busy, of ${machineCores}]\n${table([head, ...rows])}`
    })
    .join('\n')
}
