/** What is measured: each scenario gives one contestant one load and returns what it did and what it cost. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Figures, type Load, runLoad } from './load.ts'
import { cpuSeconds, residentMegabytes } from './processes.ts'
import type { Runner } from './runner.ts'
import type { Site } from './site.ts'

export type Sample = Figures & {
  perSecond: number
  /** CPU milliseconds per request. */
  cpuMs: { contestant: number; postgres: number; redis: number; wechat: number; load: number }
  peakMegabytes: number
}

export type Scenario = {
  name: string
  title: string
  connections: number
  wechatDelayMs: number
  /** Undefined: this contestant cannot do it. */
  load: (runner: Runner) => Promise<(Pick<Load, 'url' | 'script'> & { args?: string[] }) | undefined>
}

/** How many people log in again and again. */
const USERS = 10_000
const LOAD_THREADS = 2
const SPARE_TOKENS = 16

let runs = 0

function login(name: string, title: string, connections: number, wechatDelayMs: number, users = USERS): Scenario {
  return {
    name,
    title,
    connections,
    wechatDelayMs,
    load: async ({ url, contestant }) => {
      runs += 1
      return { url, script: 'login', args: [contestant.paths.login, String(runs), String(users)] }
    },
  }
}

export const SCENARIOS: Scenario[] = [
  login('login', `login, 256 connections, ${USERS.toLocaleString('en')} users`, 256, 0),
  login('login-new', 'login, 256 connections, every user new', 256, 0, 0),
  {
    name: 'refresh',
    title: 'refresh, 64 connections',
    connections: 64,
    wechatDelayMs: 0,
    load: async (runner) => {
      const path = runner.contestant.paths.refresh
      if (path === undefined) return undefined
      const tokens = await refreshTokens(runner, 64 + SPARE_TOKENS)
      return { url: runner.url, script: 'refresh', args: [path, tokens, String(LOAD_THREADS)] }
    },
  },
  {
    name: 'jwks',
    title: 'JWKS, 64 connections',
    connections: 64,
    wechatDelayMs: 0,
    load: async ({ url, contestant }) => {
      const path = contestant.paths.sameJwks ?? contestant.paths.jwks
      return path === undefined ? undefined : { url: url + path, script: 'figures' }
    },
  },
  login('wechat50-64', 'login, WeChat takes 50 ms, 64 connections', 64, 50),
  login('wechat50-256', 'login, WeChat takes 50 ms, 256 connections', 256, 50),
]

/** One run of one scenario by one contestant. */
export async function measure(
  scenario: Scenario,
  runner: Runner,
  site: Site,
  seconds: number,
): Promise<Sample | undefined> {
  await site.setWechatDelay(scenario.wechatDelayMs)
  const load = await scenario.load(runner)
  if (!load) return undefined
  await site.settle()
  const pids = { contestant: runner.pid, ...site.pids }
  const costs = () => Object.entries(pids).map(([name, pid]) => [name, cpuSeconds(pid)] as const)
  let peakMegabytes = residentMegabytes(runner.pid)
  const watch = setInterval(() => {
    peakMegabytes = Math.max(peakMegabytes, residentMegabytes(runner.pid))
  }, 200)
  const before = new Map(costs())
  try {
    const figures = await runLoad({ ...load, connections: scenario.connections, threads: LOAD_THREADS, seconds })
    const perRequest = (cost: number) => (cost * 1000) / figures.requests
    const after = new Map(costs())
    const spent = (name: string) => perRequest((after.get(name) ?? 0) - (before.get(name) ?? 0))
    return {
      ...figures,
      perSecond: figures.requests / figures.seconds,
      cpuMs: {
        contestant: spent('contestant'),
        postgres: spent('postgres'),
        redis: spent('redis'),
        wechat: spent('wechat'),
        load: perRequest(figures.loadCpuSeconds),
      },
      peakMegabytes,
    }
  } finally {
    clearInterval(watch)
  }
}

const directory = mkdtempSync(join(tmpdir(), 'gateway-bench-'))
process.on('exit', () => rmSync(directory, { recursive: true, force: true }))

async function refreshTokens(runner: Runner, count: number): Promise<string> {
  runs += 1
  const logins = await Promise.all(Array.from({ length: count }, (_, i) => runner.login(`u${i + 1}-refresh-${runs}`)))
  const file = join(directory, `${runner.contestant.name}.tokens`)
  writeFileSync(file, `${logins.map((login) => login.refresh_token).join('\n')}\n`)
  return file
}
