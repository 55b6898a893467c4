/** Restarts that nobody notices: one replica by SIGTERM, all of them in turn behind a balancer. */
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { NOTICED_AFTER_MS, startHaproxy } from './haproxy.ts'
import { type SiteOptions, startSite } from './site.ts'
import { holdLoad } from './steady-load.ts'

async function openSite(options: SiteOptions) {
  const site = await startSite(options)
  onTestFinished(() => site.stop())
  return site
}

test('a rolling restart of three replicas behind HAProxy fails no request, and each exits with 0', async () => {
  const { replicas } = await openSite({ replicas: 3 })
  const haproxy = await startHaproxy(replicas)
  onTestFinished(() => haproxy.stop())
  const load = holdLoad({ url: haproxy.url, workers: 16 })
  await sleep(1000)
  for (const { service } of replicas) {
    const pid = service.pid
    expect(await service.end()).toBe(0)
    await service.restart()
    expect(service.pid).not.toBe(pid)
    await sleep(NOTICED_AFTER_MS)
  }
  await load.stop()
  const { requests, failures } = load.counts()
  expect(failures).toEqual([])
  expect(requests).toBeGreaterThan(500)
})

test('SIGTERM under load: every request that was in flight is answered, even after the listener closed, and the exit code is 0', async () => {
  const delayMs = 1000
  const { replicas } = await openSite({
    replicas: 1,
    wechatDelayMs: 1.5 * delayMs,
    environment: { SHUTDOWN_DELAY_SECONDS: String(delayMs / 1000) },
  })
  const [replica] = replicas
  if (!replica) throw new Error('no replica')
  let toldToStopAt = Number.POSITIVE_INFINITY
  const inFlight: number[] = []
  const load = holdLoad({
    ...{ url: replica.url, workers: 48, leaveOnClose: true, pauseMs: 30, spreadMs: 1.5 * delayMs },
    onReply: (sentAt) => {
      if (sentAt < toldToStopAt && performance.now() > toldToStopAt) inFlight.push(performance.now() - toldToStopAt)
    },
  })
  await sleep(3700)
  toldToStopAt = performance.now()
  expect(await replica.service.end()).toBe(0)
  await load.ended
  expect(load.counts().failures).toEqual([])
  expect(inFlight.length).toBeGreaterThan(0)
  expect(Math.max(...inFlight)).toBeGreaterThan(delayMs)
})
