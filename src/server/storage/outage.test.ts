/** The outage watch on a server that is nothing but a switch. */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, expect, test, vi } from 'vitest'
import { createOutageWatch, type OutageWatch } from './outage.ts'

const EVERY_MS = 10
let opened: OutageWatch | undefined
afterEach(() => opened?.close())

function start({ up = true, stallMs = 20 } = {}) {
  const server = { up, probes: 0 }
  const onAway = vi.fn()
  opened = createOutageWatch({
    async probe() {
      server.probes += 1
      if (!server.up) throw new Error('no answer')
    },
    isOutage: (error) => error instanceof Error && error.message === 'connection lost',
    refusal: () => new Error('away'),
    onAway,
    stallMs,
    everyMs: EVERY_MS,
  })
  return { server, onAway, watch: opened.watch, available: opened.available }
}

const lose = () => Promise.reject(new Error('connection lost'))

test('a lost connection to a server that answers the probe keeps the door open', async () => {
  const { server, watch, available, onAway } = start()
  await expect(watch(lose)).rejects.toThrow('connection lost')
  await sleep(EVERY_MS)
  expect(server.probes).toBe(1)
  expect(available()).toBe(true)
  expect(onAway).not.toHaveBeenCalled()
})

test('once the server does not answer the probe, calls are refused without being made, until it answers again', async () => {
  const { server, watch, available, onAway } = start({ up: false })
  await expect(watch(lose)).rejects.toThrow('connection lost')
  await vi.waitFor(() => expect(available()).toBe(false))
  const call = vi.fn(async () => 'answer')
  await expect(watch(call)).rejects.toThrow('away')
  expect(call).not.toHaveBeenCalled()
  server.up = true
  await vi.waitFor(() => expect(available()).toBe(true))
  expect(await watch(call)).toBe('answer')
  expect(onAway).toHaveBeenCalledTimes(1)
})

test('a call that hangs is reason enough to ask, and a slow call to a living server is left alone', async () => {
  const { server, watch, available, onAway } = start()
  const slow = watch(() => sleep(100, 'late'))
  await vi.waitFor(() => expect(server.probes).toBeGreaterThan(0))
  expect(available()).toBe(true)
  server.up = false
  await vi.waitFor(() => expect(onAway).toHaveBeenCalledTimes(1))
  expect(await slow).toBe('late')
})

test('a refusal by the server is no reason to ask', async () => {
  const { server, watch } = start()
  await expect(watch(() => Promise.reject(new Error('duplicate key')))).rejects.toThrow('duplicate key')
  await sleep(EVERY_MS)
  expect(server.probes).toBe(0)
})
