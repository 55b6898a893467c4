/** Gauges that are read off the parts when Prometheus asks. */

import type { Metrics } from './metrics.ts'

export type DependencyState = 'up' | 'down' | 'unknown'

export type GaugeSources = {
  now(): Date
  pool(): { total: number; idle: number; waiting: number }
  dependencies(): Record<string, DependencyState>
  keys(): { state: string; publishedAt: Date; activatesAt: Date }[]
  /** How long a key signs. */
  rotationSeconds: number
}

export function sampleGauges(metrics: Metrics, { now, pool, dependencies, keys, rotationSeconds }: GaugeSources): void {
  const { total, idle, waiting } = pool()
  metrics.dbPool.set({ state: 'busy' }, total - idle)
  metrics.dbPool.set({ state: 'idle' }, idle)
  metrics.dbPool.set({ state: 'waiting' }, waiting)
  for (const [dependency, state] of Object.entries(dependencies())) {
    metrics.dependencyUp.set({ dependency }, state === 'up' ? 1 : 0)
    metrics.breakerOpen.set({ dependency }, state === 'down' ? 1 : 0)
  }

  const nowMs = now().getTime()
  const published = keys()
  const secondsSince = (at: Date) => (nowMs - at.getTime()) / 1000
  metrics.keyAge.reset()
  for (const state of new Set(published.map((key) => key.state))) {
    const ages = published.filter((key) => key.state === state).map((key) => secondsSince(key.publishedAt))
    metrics.keyAge.set({ state }, Math.min(...ages))
  }
  const pending = published.filter((key) => key.state === 'pending').map((key) => -secondsSince(key.activatesAt))
  const active = published.find((key) => key.state === 'active')
  if (pending.length > 0) metrics.nextRotation.set(Math.min(...pending))
  else if (active) metrics.nextRotation.set(rotationSeconds - secondsSince(active.activatesAt))
}
