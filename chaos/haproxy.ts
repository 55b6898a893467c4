/** HAProxy in front of the replicas, checking their /readyz as a load balancer does; it forgives nothing by trying again. */

import { spawnSync } from 'node:child_process'
import { accessSync, constants, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { type Service, startService } from '../src/dev/services/service.ts'
import type { Replica } from './site.ts'

/** How long after a replica says that it is (not) ready HAProxy has noticed. */
export const NOTICED_AFTER_MS = 1000
const CHECK_EVERY_MS = 300

export async function startHaproxy(replicas: readonly Replica[]): Promise<Service> {
  const file = findHaproxy()
  const dataDir = mkdtempSync(join(tmpdir(), 'gateway-haproxy-'))
  const config = join(dataDir, 'haproxy.cfg')
  return startService({
    name: 'HAProxy',
    file,
    args: (port) => {
      writeFileSync(config, configuration(port, replicas))
      return ['-db', '-f', config]
    },
    stopSignal: 'SIGTERM',
    probe: async (port) => {
      const reply = await fetch(`http://127.0.0.1:${port}/.well-known/jwks.json`, { signal: AbortSignal.timeout(1000) })
      await reply.arrayBuffer()
      if (reply.status !== 200) throw new Error(`HAProxy answers ${reply.status}`)
    },
    url: (port) => `http://127.0.0.1:${port}`,
    dataDir,
    removeData: () => rmSync(dataDir, { recursive: true, force: true }),
  })
}

/** `retries 0`: a request that a replica drops is a failed request. */
const configuration = (port: number, replicas: readonly Replica[]) => `
global
  maxconn 1000
defaults
  mode http
  retries 0
  timeout connect 2s
  timeout client 30s
  timeout server 10s
  timeout check 1s
frontend public
  bind 127.0.0.1:${port}
  default_backend replicas
backend replicas
  balance roundrobin
  option httpchk GET /readyz
  http-check expect status 200
${replicas.map(serverLine).join('\n')}
`

function serverLine({ url, adminUrl }: Replica, index: number): string {
  const { port: checkPort } = new URL(adminUrl)
  return `  server replica${index + 1} ${new URL(url).host} check port ${checkPort} inter ${CHECK_EVERY_MS}ms fall 1 rise 1`
}

function findHaproxy(): string {
  const installed = onPath()
  if (installed) return installed
  if (process.getuid?.() === 0) {
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
    spawnSync('apt-get', ['update', '-q'], { env })
    spawnSync('apt-get', ['install', '-y', '-q', '--no-install-recommends', 'haproxy'], { env })
    const file = onPath()
    if (file) return file
  }
  throw new Error('no HAProxy: install the package haproxy')
}

function onPath(): string | undefined {
  const directories = [
    ...(process.env.PATH ?? '').split(delimiter),
    '/usr/sbin',
    '/usr/local/sbin',
    '/opt/homebrew/bin',
  ]
  return directories
    .map((directory) => join(directory, 'haproxy'))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK)
        return true
      } catch {
        return false
      }
    })
}
