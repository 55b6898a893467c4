/** What is measured: each scenario gives one contestant one load and returns what it did and what it cost. */

import type { Figures, Load } from './load.ts'
import { cpuSeconds, residentMegabytes } from './processes.ts'
import type { Runner } from './runner.ts'
import type { Site } from './site.ts'

/** CPU milliseconds per request, by who spent them. */
export type Cost = { own: number; postgres: number; redis: number; wechat: number; load: number }

export type Sample = Figures & { perSecond: number; cpuMs: Cost; peakMegabytes: number }

export type Scenario = {
  name: string
  title: string
  wechatDelayMs: number
  /** Undefined: this contestant cannot do it. */
  load: (runner: Runner) => Promise<Load | undefined>
}

/** How many people log in again and again. */
export const USERS = 10_000

function login(name: string, title: string, connections: number, wechatDelayMs: number, users = USERS): Scenario {
  return {
    name,
    title,
    wechatDelayMs,
    load: async ({ port, contestant }) => ({
      ports: [port],
      path: contestant.paths.login,
      kind: 'login',
      connections,
      users,
    }),
  }
}

export const SCENARIOS: Scenario[] = [
  login('login', `login, 256 connections, ${USERS.toLocaleString('en')} users`, 256, 0),
  login('login-new', 'login, 256 connections, every user new', 256, 0, 0),
  {
    name: 'refresh',
    title: 'refresh, 64 connections',
    wechatDelayMs: 0,
    load: async (runner) => {
      const path = runner.contestant.paths.refresh
      if (path === undefined) return undefined
      const refreshTokens = await refreshTokensOf(runner, 64)
      return { ports: [runner.port], path, kind: 'refresh', connections: 64, users: 0, refreshTokens }
    },
  },
  {
    name: 'jwks',
    title: 'JWKS, 64 connections',
    wechatDelayMs: 0,
    load: async ({ port, contestant }) => {
      const path = contestant.paths.sameJwks ?? contestant.paths.jwks
      return path === undefined ? undefined : { ports: [port], path, kind: 'get', connections: 64, users: 0 }
    },
  },
  login('wechat50-64', 'login, WeChat takes 50 ms, 64 connections', 64, 50),
  login('wechat50-256', 'login, WeChat takes 50 ms, 256 connections', 256, 50),
]

/** Beside the subject: the same on tables that nobody has analysed since they were made, with plans from when they were empty. */
export const COLD = login('cold', `login, 256 connections, ${USERS.toLocaleString('en')} users, never analysed`, 256, 0)

/** A database of the first minutes: everybody has logged in, and autovacuum has not come by. */
export async function enrolCold(runner: Runner, site: Site) {
  for (const name of await site.tables(runner.databaseUrl)) {
    await site.sql(runner.databaseUrl, `alter table ${name} set (autovacuum_enabled = off)`)
  }
  await runner.start()
  await site.setWechatDelay(0)
  await letInEverybody(runner, site, USERS)
}

/** Before all scenarios: everybody logs in once, so that nobody is new later, and the code is compiled. */
export async function enrol(runner: Runner, site: Site, users: number) {
  await site.setWechatDelay(0)
  await letInEverybody(runner, site, users)
  await site.analyze(runner.databaseUrl)
}

const letInEverybody = ({ port, contestant }: Runner, site: Site, users: number) =>
  site.generators.inTurn({ ports: [port], path: contestant.paths.login, kind: 'login', connections: 64, users })

/** One run of one scenario by one contestant. */
export async function measure(
  scenario: Scenario,
  runner: Runner,
  site: Site,
  time: { warmUpSeconds: number; seconds: number },
): Promise<Sample | undefined> {
  await site.setWechatDelay(scenario.wechatDelayMs)
  const load = await scenario.load(runner)
  if (!load) return undefined
  let peakMegabytes = 0
  const watch = setInterval(() => {
    peakMegabytes = Math.max(peakMegabytes, residentMegabytes(runner.pid))
  }, 200)
  const bills: Cost[] = []
  const figures = await site.generators.run(load, time.warmUpSeconds, time.seconds, () => {
    bills.push(spentSoFar(runner, site))
  })
  clearInterval(watch)
  const [before, after] = bills
  const perRequest = (part: keyof Cost) => (((after?.[part] ?? 0) - (before?.[part] ?? 0)) * 1000) / figures.requests
  return {
    ...figures,
    perSecond: figures.requests / figures.seconds,
    cpuMs: {
      own: perRequest('own'),
      postgres: perRequest('postgres'),
      redis: perRequest('redis'),
      wechat: perRequest('wechat'),
      load: perRequest('load'),
    },
    peakMegabytes,
  }
}

function spentSoFar(runner: Runner, site: Site): Cost {
  return {
    own: cpuSeconds(runner.pid),
    postgres: cpuSeconds(site.pids.postgres),
    redis: cpuSeconds(site.pids.redis),
    wechat: cpuSeconds(site.pids.wechat),
    load: site.generators.pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0),
  }
}

/** Of sessions opened for it. */
export const refreshTokensOf = (runner: Runner, count: number): Promise<string[]> =>
  Promise.all(Array.from({ length: count }, () => newRefreshToken(runner)))

let logins = 0

async function newRefreshToken(runner: Runner): Promise<string> {
  logins += 1
  const { refresh_token } = await runner.login(`u${logins}-to-refresh`)
  if (refresh_token === undefined) throw new Error(`${runner.contestant.name} gave no refresh token`)
  return refresh_token
}
