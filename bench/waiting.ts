/** What people wait for: everybody else while logins fill one process, and logins that arrive at a fixed rate while WeChat takes its time. */

import { type Arrivals, prepareArrivals, type Waited } from './arrivals.ts'
import { type Goal, goalsOf } from './goals.ts'
import type { Runner } from './runner.ts'
import { measure, refreshTokensOf, SCENARIOS, USERS } from './scenarios.ts'
import type { Site } from './site.ts'

export type Saturated = { connections: number; loginsPerSecond: number; refused: number; waited: Waited[] }
export type Waiting = { saturated: Saturated[]; open: Waited }

type Time = { quick: boolean; warmUpSeconds: number; seconds: number }

/** As many as one process serves well, and four times as many. */
const CONNECTIONS = { quick: [256], thorough: [256, 1024] }
/** Of those who arrive at a fixed rate. */
const [FEW, MANY] = [32, 256]

export async function measureSaturated(runner: Runner, site: Site, time: Time): Promise<Saturated[]> {
  const found: Saturated[] = []
  for (const connections of CONNECTIONS[time.quick ? 'quick' : 'thorough'])
    found.push(await saturate(runner, site, time, connections))
  return found
}

async function saturate(runner: Runner, site: Site, time: Time, connections: number): Promise<Saturated> {
  const others = await Promise.all((await everybodyElse(runner)).map((arrivals) => prepareArrivals(arrivals, FEW)))
  const load = {
    ports: [runner.port],
    path: runner.contestant.paths.login,
    kind: 'login' as const,
    connections,
    users: USERS,
  }
  await site.setWechatDelay(0)
  const waited: Promise<Waited>[] = []
  // The window is called as the counting begins, and as it ends.
  const figures = await site.generators.run(load, time.warmUpSeconds, time.seconds, () => {
    if (waited.length === 0) waited.push(...others.map((send) => send(time.seconds * 0.9)))
  })
  return {
    connections,
    loginsPerSecond: figures.requests / figures.seconds,
    refused: figures.refused + figures.broken,
    waited: await Promise.all(waited),
  }
}

/** Sessions that are refreshed in turn, each by the token that its last refresh gave. */
const REFRESHED = 200

async function everybodyElse(runner: Runner): Promise<Arrivals[]> {
  const tokens = await refreshTokensOf(runner, REFRESHED)
  const { token = '' } = await runner.login(`u1-to-verify-${Date.now()}`)
  const get =
    (path: string, headers = {}) =>
    () => ({ method: 'GET' as const, path, headers })
  const { ready, refresh = '', jwks = '' } = runner.contestant.paths
  return [
    {
      name: 'refresh',
      perSecond: 50,
      url: runner.url,
      warmUpPath: ready,
      request: (index) => ({
        method: 'POST',
        path: refresh,
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ refresh_token: tokens[index % REFRESHED] }),
      }),
      onAnswer(index, body) {
        tokens[index % REFRESHED] = JSON.parse(body).data.refresh_token
      },
    },
    { name: 'jwks', perSecond: 50, url: runner.url, warmUpPath: ready, request: get(jwks) },
    {
      name: '/verify',
      perSecond: 20,
      url: runner.adminUrl,
      warmUpPath: '/livez',
      request: get('/verify', { authorization: `Bearer ${token}` }),
    },
    { name: '/livez', perSecond: 5, url: runner.adminUrl, warmUpPath: '/livez', request: get('/livez') },
  ]
}

const WECHAT_MS = 50

/** At half of what a closed loop of 256 connections gets through. */
export async function measureOpen(runner: Runner, site: Site, time: Time): Promise<Waited> {
  const closed = SCENARIOS.find(({ name }) => name === 'wechat50-256')
  const capacity = closed && (await measure(closed, runner, site, time))
  await site.setWechatDelay(WECHAT_MS)
  const run = Date.now()
  const send = await prepareArrivals(
    {
      name: 'login',
      perSecond: Math.max(1, Math.round((capacity?.perSecond ?? 2) / 2)),
      url: runner.url,
      warmUpPath: runner.contestant.paths.ready,
      request: (index) => ({
        method: 'POST',
        path: runner.contestant.paths.login,
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ code: `u${index % USERS}-open${run}x${index}` }),
      }),
    },
    MANY,
  )
  return send(time.seconds)
}

export const failuresOf = ({ saturated, open }: Waiting): number =>
  [open, ...saturated.flatMap(({ waited }) => waited)].reduce((sum, { failed }) => sum + failed, 0) +
  saturated.reduce((sum, { refused }) => sum + refused, 0)

export function waitingGoals({ saturated, open }: Waiting): Goal[] {
  const worst = (name: string) =>
    Math.max(...saturated.flatMap(({ waited }) => waited.filter((one) => one.name === name).map((one) => one.p99Ms)))
  return goalsOf([
    { what: 'refresh p99 while logins fill the process, ms', atMost: 250, found: worst('refresh') },
    { what: 'JWKS p99 while logins fill the process, ms', atMost: 100, found: worst('jwks') },
    { what: '/verify p99 while logins fill the process, ms', atMost: 1000, found: worst('/verify') },
    { what: '/livez p99 while logins fill the process, ms', atMost: 1000, found: worst('/livez') },
    { what: 'WeChat 50 ms, open arrivals at half the capacity: p50 ms', atMost: 55, found: open.p50Ms },
    { what: 'WeChat 50 ms, open arrivals at half the capacity: p99 ms', atMost: 80, found: open.p99Ms },
  ])
}

export function waitingTable({ saturated, open }: Waiting): string {
  const row = (name: string, { perSecond, sent, failed, p50Ms, p99Ms }: Waited) =>
    [name.padEnd(24), perSecond, sent, failed, p50Ms.toFixed(1), p99Ms.toFixed(1)]
      .map((cell, column) => (column === 0 ? String(cell) : String(cell).padStart(9)))
      .join('')
  const head = `${'arrivals at a fixed rate'.padEnd(24)}${['/s', 'sent', 'failed', 'p50 ms', 'p99 ms'].map((text) => text.padStart(9)).join('')}`
  const blocks = saturated.map(({ connections, loginsPerSecond, refused, waited }) =>
    [
      `while ${connections} connections log in (${loginsPerSecond.toFixed(0)}/s, ${refused} refused)`,
      head,
      ...waited.map((one) => row(one.name, one)),
    ].join('\n'),
  )
  blocks.push(['WeChat takes 50 ms, half the capacity', head, row('login', open)].join('\n'))
  return `${blocks.join('\n\n')}\n`
}
