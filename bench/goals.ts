/** What the gateway is asked to reach, beside what this run found. */

import { medianOf, type Rounds, ratioOf } from './figures.ts'
import type { Sample } from './scenarios.ts'
import type { StartUp } from './start-up.ts'

export type Goal = { what: string; wanted: string; found: number; met: boolean }

const perSecond = (sample: Sample) => sample.perSecond
const p99 = (sample: Sample) => sample.p99Ms
const postgresCpu = (sample: Sample) => sample.cpuMs.postgres
const ownCpu = (sample: Sample) => sample.cpuMs.own

/** Only goals whose scenarios ran. */
export function goals(results: Map<string, Rounds>, startUp: Map<string, StartUp>, subject: string): Goal[] {
  const rounds = (scenario: string): Rounds => results.get(scenario) ?? new Map()
  const ratio = (scenario: string, other: string, value: (sample: Sample) => number) =>
    ratioOf(rounds(scenario), subject, other, value)
  const own = (scenario: string, value: (sample: Sample) => number) => medianOf(rounds(scenario), subject, value)
  const overDjango = (scenario: string) =>
    Math.min(...['django-threads', 'django-sync'].map((django) => ratio(scenario, django, perSecond)))
  const start = startUp.get(subject)
  const peak = Math.max(...(rounds('login').get(subject) ?? []).map((sample) => sample?.peakMegabytes ?? 0))

  return [
    atLeast('login, 256 connections: speed / bare floor', 1, ratio('login', 'bare', perSecond)),
    atLeast('login, 256 connections: speed / batched floor', 0.7, ratio('login', 'batched', perSecond)),
    atMost('login, 256 connections: p99 / bare floor', 1, ratio('login', 'bare', p99)),
    atMost('login: own CPU / batched floor', 1.3, ratio('login', 'batched', ownCpu)),
    atLeast('login of known users: speed / better-auth', 10, ratio('login', 'better-auth', perSecond)),
    atLeast('login of known users: speed / the better Django', 5, overDjango('login')),
    atLeast('login of new users: speed / better-auth', 10, ratio('login-new', 'better-auth', perSecond)),
    atLeast('login of new users: speed / the better Django', 100, overDjango('login-new')),
    atMost(
      'login, never analysed: postgres CPU / analysed',
      1.5,
      ratioOf(rounds('cold'), 'never-analysed', subject, postgresCpu),
    ),
    atLeast('refresh, 64 connections: speed / bare floor', 2.2, ratio('refresh', 'bare', perSecond)),
    atLeast('JWKS: speed / bare route, same bytes', 1, ratio('jwks', 'bare', perSecond)),
    atLeast('WeChat 50 ms, 64 connections: logins / s', 0.85 * (64 / 0.05), own('wechat50-64', perSecond)),
    atLeast('WeChat 50 ms, 256 connections: logins / s', 0.6 * (256 / 0.05), own('wechat50-256', perSecond)),
    atMost('start to first 200, ms', 280, start?.startMs ?? Number.NaN),
    atMost('memory at rest, MB', 100, start?.restMegabytes ?? Number.NaN),
    atMost('memory under login load, MB', 300, Number.isFinite(peak) ? peak : Number.NaN),
  ].filter((goal) => !Number.isNaN(goal.found))
}

/** Bounds from above, in few words; what was not found is left out. */
export const goalsOf = (bounds: { what: string; atMost: number; found: number }[]): Goal[] =>
  bounds
    .map(({ what, atMost: wanted, found }) => atMost(what, wanted, found))
    .filter((goal) => !Number.isNaN(goal.found))

const atLeast = (what: string, wanted: number, found: number): Goal => ({
  what,
  wanted: `>= ${wanted}`,
  found,
  met: found >= wanted,
})
const atMost = (what: string, wanted: number, found: number): Goal => ({
  what,
  wanted: `<= ${wanted}`,
  found,
  met: found <= wanted,
})
