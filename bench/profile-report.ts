/** The table of `bench/profile.ts`. */

import type { Shares } from './profile-shares.ts'
import { table } from './report.ts'

export type ProfileResult = Shares & { connections: number; requests: number; seconds: number }

/** Less than this is not worth a line. */
const SMALL = 0.01

export function profileTable({ owners, busy, connections, requests, seconds }: ProfileResult): string {
  const microseconds = (share: number) => ((share * busy * seconds * 1e6) / requests).toFixed(0)
  const percent = (share: number) => (share * 100).toFixed(1)
  const row = (name: string, share: number) => [name, percent(share), microseconds(share)]
  const large = owners.filter(({ share }) => share >= SMALL)
  const rest = owners.filter(({ share }) => share < SMALL).reduce((sum, { share }) => sum + share, 0)
  const rows = [...large.map(({ owner, share }) => row(owner, share)), row('all others', rest)]
  const title = `login, ${connections} connections: the main thread busy ${percent(busy)} % of the time, under the profiler`
  return `\n${title}\n${table([['asked for by', '% of it', 'µs per login'], ...rows])}`
}
