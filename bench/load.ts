/** The load: wrk, which costs a fraction of what it measures. Its own CPU is measured too, so that it can be ruled out as the limit. */

import { spawn, spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { endedChildrenCpuSeconds } from './processes.ts'

export type Figures = {
  requests: number
  seconds: number
  /** Answered with 400 or above. */
  refused: number
  /** Not answered: connect, read, write, timeout. */
  broken: number
  p50Ms: number
  p99Ms: number
  loadCpuSeconds: number
}

export type Load = {
  url: string
  script: 'figures' | 'login' | 'refresh'
  args?: string[]
  connections: number
  threads: number
  seconds: number
}

const SCRIPTS = fileURLToPath(new URL('load', import.meta.url))

export async function runLoad(load: Load): Promise<Figures> {
  const { script, args = [], connections, threads, seconds } = load
  const flags = ['-t', threads, '-c', connections, '-d', `${seconds}s`, '--timeout', '20s', '-s', `${script}.lua`]
  const before = endedChildrenCpuSeconds()
  const wrk = spawn('wrk', [...flags.map(String), load.url, '--', ...args], {
    cwd: SCRIPTS,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  wrk.stdout.on('data', (text) => {
    output += text
  })
  wrk.stderr.on('data', (text) => {
    output += text
  })
  await new Promise((resolve, reject) => wrk.once('close', resolve).once('error', reject))
  const line = /^RESULT (.*)$/m.exec(output)?.[1]
  if (line === undefined) throw new Error(`wrk gave no result:\n${output}`)
  return { ...JSON.parse(line), loadCpuSeconds: endedChildrenCpuSeconds() - before }
}

export function requireWrk() {
  const present = () => spawnSync('wrk', ['-v']).error === undefined
  if (present()) return
  if (process.getuid?.() === 0) {
    spawnSync('apt-get', ['update', '-q'])
    spawnSync('apt-get', ['install', '-y', '-q', '--no-install-recommends', 'wrk'])
    if (present()) return
  }
  throw new Error('the load generator wrk is missing: install the package wrk')
}
