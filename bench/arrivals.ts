/**
 * Requests at a fixed rate, whether answers come or not. A closed loop sends less as soon as the server is slow; people do not: they
 * wait, and the time that they wait is counted from the moment a request was due.
 */

import { setTimeout as sleep } from 'node:timers/promises'
import { Pool } from 'undici'

export type Arrivals = {
  name: string
  perSecond: number
  /** Of the listener that is asked. */
  url: string
  /** Cheap, for opening connections. */
  warmUpPath: string
  request(index: number): { method: 'GET' | 'POST'; path: string; headers?: Record<string, string>; body?: string }
  /** Sees the body of a success. */
  onAnswer?(index: number, body: string): void
}

export type Waited = { name: string; perSecond: number; sent: number; failed: number; p50Ms: number; p99Ms: number }

const TICK_MS = 1

/**
 * Opens the connections beforehand, as a balancer keeps them open: a full process takes one new connection in a turn of its loop.
 * What it answers sends the requests and closes.
 */
export async function prepareArrivals(arrivals: Arrivals, connections: number) {
  const pool = new Pool(arrivals.url, { connections, pipelining: 1, keepAliveTimeout: 60_000, headersTimeout: 30_000 })
  const { warmUpPath: path } = arrivals
  const warm = async () => (await pool.request({ method: 'GET', path })).body.dump()
  await Promise.all(Array.from({ length: connections }, warm))
  return async (seconds: number): Promise<Waited> => {
    const waited = await sendAtRate(pool, arrivals, seconds)
    await pool.close()
    return waited
  }
}

async function sendAtRate(pool: Pool, arrivals: Arrivals, seconds: number): Promise<Waited> {
  const waits: number[] = []
  let failed = 0

  async function send(index: number, dueAt: number): Promise<void> {
    try {
      const { statusCode, body } = await pool.request(arrivals.request(index))
      const text = await body.text()
      if (statusCode === 200) arrivals.onAnswer?.(index, text)
      else failed += 1
    } catch {
      failed += 1
    }
    waits.push(performance.now() - dueAt)
  }

  const total = Math.max(1, Math.round(arrivals.perSecond * seconds))
  const begin = performance.now()
  const sending: Promise<void>[] = []
  while (sending.length < total) {
    for (; sending.length < total; ) {
      const dueAt = begin + (sending.length * 1000) / arrivals.perSecond
      if (dueAt > performance.now()) break
      sending.push(send(sending.length, dueAt))
    }
    await sleep(TICK_MS)
  }
  await Promise.all(sending)
  waits.sort((a, b) => a - b)
  const percentile = (share: number) => waits[Math.floor(waits.length * share)] ?? Number.NaN
  const { name, perSecond } = arrivals
  return { name, perSecond, sent: total, failed, p50Ms: percentile(0.5), p99Ms: percentile(0.99) }
}
