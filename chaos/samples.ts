/** What a long run looks like over time: memory, open files, connections and latency, sampled until it ends. */

import { readdirSync } from 'node:fs'
import { connect } from 'node:net'
import { Client } from 'pg'
import { residentMegabytes } from '../bench/processes.ts'
import type { Attempt } from './recorder.ts'
import type { Site } from './site.ts'

/** One moment; NaN where it could not be asked, since a server was away. */
export type Sample = {
  /** Seconds since the run began. */
  at: number
  /** Of each replica. */
  megabytes: number[]
  openFiles: number[]
  postgresConnections: number
  redisConnections: number
  /** Of the requests since the sample before, in milliseconds. */
  medianMs: number
  slowestPercentMs: number
  requests: number
}

export type Sampler = { record(attempt: Attempt): void; stop(): Sample[] }

const ASK_MS = 1000

export function createSampler(site: Site, everyMs: number): Sampler {
  const beganAt = performance.now()
  const samples: Sample[] = []
  let took: number[] = []

  async function sample(): Promise<void> {
    const sorted = took.sort((a, b) => a - b)
    took = []
    const at = (performance.now() - beganAt) / 1000
    const [postgresConnections, redisConnections] = await Promise.all([askPostgres(site), askRedis(site)])
    samples.push({
      at,
      megabytes: site.replicas.map(({ service }) => orNaN(() => residentMegabytes(service.pid) || Number.NaN)),
      openFiles: site.replicas.map(({ service }) => orNaN(() => readdirSync(`/proc/${service.pid}/fd`).length)),
      ...{ postgresConnections, redisConnections },
      medianMs: quantile(sorted, 0.5),
      slowestPercentMs: quantile(sorted, 0.99),
      requests: sorted.length,
    })
  }
  const timer = setInterval(() => void sample(), everyMs)

  return {
    record: ({ tookMs, broken }) => {
      if (broken === undefined) took.push(tookMs)
    },
    stop() {
      clearInterval(timer)
      return samples
    },
  }
}

export const quantile = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN

/** A process may be gone this moment; it is asked again the next time. */
function orNaN(ask: () => number): number {
  try {
    return ask()
  } catch {
    return Number.NaN
  }
}

async function askPostgres({ postgres }: Site): Promise<number> {
  const client = new Client({
    connectionString: postgres.url,
    connectionTimeoutMillis: ASK_MS,
    query_timeout: ASK_MS,
    application_name: 'chaos',
  })
  client.on('error', () => {})
  try {
    await client.connect()
    const { rows } = await client.query<{ n: number }>(
      "select count(*)::int as n from pg_stat_activity where backend_type = 'client backend' and application_name <> 'chaos'",
    )
    return rows[0]?.n ?? Number.NaN
  } catch {
    return Number.NaN
  } finally {
    await client.end().catch(() => undefined)
  }
}

function askRedis({ redis }: Site): Promise<number> {
  return new Promise((resolve) => {
    const socket = connect(redis.port, '127.0.0.1', () => socket.write('INFO clients\r\n'))
    const done = (connections: number) => {
      socket.destroy()
      resolve(connections)
    }
    socket.setTimeout(ASK_MS, () => done(Number.NaN))
    socket.on('error', () => done(Number.NaN))
    socket.on('data', (text) => {
      const connected = /connected_clients:(\d+)/.exec(text.toString())?.[1]
      // This one is not the gateway's.
      if (connected !== undefined) done(Number(connected) - 1)
    })
  })
}
