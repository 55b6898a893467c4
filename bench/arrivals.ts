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
  request(index: number): { method: 'GET' | 'POST'; path: string; headers?: Record<string, string>; body?: string }
  /** Sees the body of a success. */
  onAnswer?(index: number, body: string): void
}

export type Waited = { name: string; perSecond: number; sent: number; failed: number; p50Ms: number; p99Ms: number }

const TICK_MS = 1

export async function sendAtRate(arrivals: Arrivals, seconds: number): Promise<Waited> {
  const pool = new Pool(arrivals.url, { connections: 1024, pipelining: 1, headersTimeout: 30_000 })
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
  await pool.close()
  waits.sort((a, b) => a - b)
  const percentile = (share: number) => waits[Math.floor(waits.length * share)] ?? Number.NaN
  const { name, perSecond } = arrivals
  return { name, perSecond, sent: total, failed, p50Ms: percentile(0.5), p99Ms: percentile(0.99) }
}
