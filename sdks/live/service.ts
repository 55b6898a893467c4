/** An example service of one language: built, started and asked as its live.json says. */

import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort, type Service, startService } from '../../src/dev/services/service.ts'
import { AUDIENCE } from './gateway.ts'

export type Answer = { status: number; sub?: string; reason?: string }

export type LiveService = {
  /** GET /me, with a token or without. */
  me(token?: string): Promise<Answer>
  restart(): Promise<void>
  stop(): Promise<void>
}

type Commands = { build?: string; start: string }

/** `sdks/<language>` (`sdks/stock/<library>` too), or `sdks/live/<language>` for one whose SDK stands elsewhere. */
function folderOf(language: string): string {
  const folders = [`../${language}`, `./${language}`].map((path) => fileURLToPath(new URL(path, import.meta.url)))
  const found = folders.find((folder) => existsSync(join(folder, 'live.json')))
  if (found === undefined) throw new Error(`there is no sdks/${language}/live.json`)
  return found
}

export async function startLiveService(
  language: string,
  issuer: string,
  settings: Record<string, string> = {},
): Promise<LiveService> {
  const folder = folderOf(language)
  const { build, start } = JSON.parse(readFileSync(join(folder, 'live.json'), 'utf8')) as Commands
  const out = mkdtempSync(join(tmpdir(), `live-${language.replaceAll('/', '-')}-`))
  const removeData = () => rmSync(out, { recursive: true, force: true })
  const own = Object.fromEntries(Object.entries(process.env).flatMap(([name, value]) => (value ? [[name, value]] : [])))
  const env = { ...own, ...settings, OUT: out, NODE: process.execPath, ISSUER: issuer, AUDIENCE }
  if (build !== undefined) {
    const done = spawnSync('/bin/sh', ['-c', build], { cwd: folder, env, stdio: 'inherit' })
    if (done.status !== 0) {
      removeData()
      throw new Error(`${language}: "${build}" ends with ${done.status}`)
    }
  }
  const port = await freePort()
  const service: Service = await startService({
    name: `the ${language} service`,
    file: '/bin/sh',
    args: () => ['-c', `cd "${folder}" && exec ${start}`],
    env: { ...env, PORT: String(port) },
    stopSignal: 'SIGTERM',
    async probe() {
      const { status, reason } = await ask(port)
      if (status !== 401 || reason !== 'token_missing')
        throw new Error(`/me without a token answers ${status} ${reason}`)
    },
    url: (its) => `http://127.0.0.1:${its}`,
    port,
    readyTimeoutMs: 90_000,
    dataDir: out,
    removeData,
    log: (line) => console.log(`  ${language}: ${line}`),
  })
  return { me: (token) => ask(port, token), restart: () => service.restart(), stop: () => service.stop() }
}

async function ask(port: number, token?: string): Promise<Answer> {
  const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` }
  const reply = await fetch(`http://127.0.0.1:${port}/me`, { headers, signal: AbortSignal.timeout(10_000) })
  const body = (await reply.json()) as { sub?: string; reason?: string }
  return { ...body, status: reply.status }
}
