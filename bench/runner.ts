/** One contestant, running: started by its command, checked to give right answers, measured by its pid. */

import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { createLocalJWKSet, jwtVerify } from 'jose'
import { freePort } from '../src/dev/services/service.ts'
import type { Contestant, Surroundings } from './contestants.ts'
import type { Site } from './site.ts'

export type Runner = Awaited<ReturnType<typeof createRunner>>

const START_TIMEOUT_MS = 60_000

export type Stores = { databaseUrl: string; redisUrl: string }

export async function createRunner(
  contestant: Contestant,
  site: Site,
  { sameJwks, shared }: { sameJwks?: string | undefined; shared?: Stores } = {},
) {
  const stores = shared ?? (await site.storesFor(contestant.name))
  const at: Surroundings = {
    ...stores,
    port: await freePort(),
    adminPort: await freePort(),
    wechatUrl: site.wechatUrl,
    sameJwks,
  }
  const options = { cwd: contestant.cwd, env: { PATH: process.env.PATH ?? '', ...contestant.env(at) } }
  const url = `http://127.0.0.1:${at.port}`
  let child: ReturnType<typeof spawn> | undefined

  if (contestant.prepare) {
    const [command = '', ...args] = contestant.prepare
    const done = spawnSync(command, args, { ...options, encoding: 'utf8' })
    if (done.status !== 0) throw new Error(`${contestant.name} could not be prepared:\n${done.stdout}${done.stderr}`)
  }

  return {
    contestant,
    stores,
    databaseUrl: stores.databaseUrl,
    url,
    port: at.port,
    /** Of the gateway's internal listener; floors have none. */
    adminUrl: `http://127.0.0.1:${at.adminPort}`,
    get pid() {
      return child?.pid ?? 0
    },
    /** Milliseconds from the command to the first 200. */
    async start(): Promise<number> {
      const [command = '', ...args] = contestant.command
      const begin = performance.now()
      let errors = ''
      const started = spawn(command, args, { ...options, stdio: ['ignore', 'ignore', 'pipe'] })
      started.stderr.on('data', (text) => {
        errors = (errors + text).slice(-4000)
      })
      child = started
      while (performance.now() - begin < START_TIMEOUT_MS && started.exitCode === null) {
        if (await isServing(url + contestant.paths.ready)) return performance.now() - begin
        await sleep(2)
      }
      started.kill('SIGKILL')
      throw new Error(`${contestant.name} did not start:\n${errors}`)
    },
    async stop() {
      const running = child
      child = undefined
      if (!running || running.exitCode !== null || running.signalCode !== null) return
      const ended = once(running, 'exit')
      running.kill('SIGTERM')
      const killer = setTimeout(() => running.kill('SIGKILL'), 10_000)
      await ended
      clearTimeout(killer)
    },
    /** One login from outside; the answer's `data`. */
    login: (code: string) => post(url + contestant.paths.login, { code }),
    /** Measuring a wrong answer would be worthless: one login and one refresh, their tokens verified against the JWKS. */
    async check() {
      const { paths, name } = contestant
      const login = await post(url + paths.login, { code: 'u1-check' })
      const again = await post(url + paths.login, { code: 'u1-check-again' })
      if (login.user_id !== again.user_id) throw new Error(`${name}: one person became two users`)
      if (paths.jwks === undefined) return
      const keys = createLocalJWKSet(JSON.parse(await (await fetch(url + paths.jwks)).text()))
      const tokens = [login.token]
      if (paths.refresh) {
        const refreshed = await post(url + paths.refresh, { refresh_token: login.refresh_token })
        if (refreshed.refresh_token === login.refresh_token)
          throw new Error(`${name}: the refresh token did not change`)
        tokens.push(refreshed.token)
      }
      for (const token of tokens) {
        const { payload } = await jwtVerify(token ?? '', keys)
        if (payload.sub !== String(login.user_id)) throw new Error(`${name}: a token is for somebody else`)
      }
    },
  }
}

type Answer = { token?: string; refresh_token?: string; user_id?: string | number }

async function post(url: string, body: unknown): Promise<Answer> {
  const headers = { 'content-type': 'application/json' }
  const reply = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) })
  const text = await reply.text()
  if (reply.status !== 200) throw new Error(`${url} answered ${reply.status}: ${text.slice(0, 500)}`)
  return JSON.parse(text).data
}

const isServing = (url: string) =>
  fetch(url).then(
    async (reply) => {
      await reply.arrayBuffer()
      return reply.status === 200
    },
    () => false,
  )
