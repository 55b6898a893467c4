/** A real Redis on loopback: found on the machine, else fetched from the distribution, never silently left out. */

import { spawnSync } from 'node:child_process'
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Service, startService } from './service.ts'

export type RedisOptions = {
  port?: number
  /** Appended, so they win: `['--appendonly', 'yes']`. Nothing is written to disk by default. */
  args?: string[]
  /** Runs as a Sentinel with this configuration, which it rewrites as the world changes. */
  sentinel?: string
  log?: (line: string) => void
}

export async function startRedis(options: RedisOptions = {}): Promise<Service> {
  const redis = findRedis()
  const dataDir = mkdtempSync(join(tmpdir(), 'gateway-redis-'))
  const role = options.sentinel === undefined ? [] : [join(dataDir, 'sentinel.conf'), '--sentinel']
  if (role[0]) writeFileSync(role[0], options.sentinel ?? '')
  const args = ['--bind', '127.0.0.1', '--dir', dataDir, '--save', '', '--appendonly', 'no', ...(options.args ?? [])]
  return startService({
    name: 'Redis',
    file: redis.file,
    args: (port) => [...role, '--port', String(port), ...args],
    ...(redis.env ? { env: redis.env } : {}),
    stopSignal: 'SIGTERM',
    probe: answers,
    url: (port) => `redis://127.0.0.1:${port}`,
    port: options.port,
    dataDir,
    removeData: () => rmSync(dataDir, { recursive: true, force: true }),
    log: options.log,
  })
}

function answers(port: number, pid: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('INFO server\r\n'))
    socket.setTimeout(1000, () => socket.destroy(new Error('no answer to INFO')))
    socket.once('error', reject)
    socket.once('close', () => reject(new Error('closed before an answer')))
    socket.once('data', (reply) => {
      socket.destroy()
      if (reply.toString().includes(`process_id:${pid}\r`)) resolve()
      else reject(new Error('another Redis answers, or this one is loading'))
    })
  })
}

type Binary = { file: string; env?: Record<string, string> }

function findRedis(): Binary {
  const installed = onPath('redis-server') ?? onPath('valkey-server')
  if (installed) return { file: installed }
  if (process.getuid?.() === 0) {
    run('apt-get', ['update', '-q'])
    run('apt-get', ['install', '-y', '-q', '--no-install-recommends', 'redis-server'])
    const file = onPath('redis-server')
    if (file) return { file }
  } else if (onPath('apt-get')) {
    return unpackedRedis()
  }
  throw new Error('no Redis: install redis-server or valkey-server, or set TEST_REDIS_URL')
}

export function onPath(name: string): string | undefined {
  const directories = [
    ...(process.env.PATH ?? '').split(delimiter),
    '/usr/bin',
    '/usr/sbin',
    '/usr/local/bin',
    '/opt/homebrew/bin',
  ]
  return directories
    .map((directory) => join(directory, name))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK)
        return true
      } catch {
        return false
      }
    })
}

const PACKAGES = 'redis-server redis-tools libjemalloc2 liblua5.1-0 liblzf1 libatomic1 lua-cjson lua-bitop'.split(' ')

/** Without root: the distribution's packages, unpacked under .cache with a package list of our own. */
function unpackedRedis(): Binary {
  const cache = fileURLToPath(new URL('../../../.cache', import.meta.url))
  const root = join(cache, 'redis')
  if (!existsSync(root)) {
    mkdirSync(cache, { recursive: true })
    const partial = mkdtempSync(join(cache, 'redis-'))
    for (const directory of ['state/lists/partial', 'cache/archives/partial']) {
      mkdirSync(join(partial, directory), { recursive: true })
    }
    const own = ['-o', `Dir::State=${partial}/state`, '-o', `Dir::Cache=${partial}/cache`, '-o', 'APT::Sandbox::User=']
    const status = ['-o', 'Dir::State::status=/var/lib/dpkg/status']
    run('apt-get', [...own, ...status, 'update', '-q'])
    run('apt-get', [...own, ...status, 'download', '-q', ...PACKAGES], partial)
    for (const file of readdirSync(partial).filter((name) => name.endsWith('.deb'))) {
      run('dpkg', ['-x', join(partial, file), partial])
    }
    // The Debian package ships one program under several names; the server's own is a link to an absolute path.
    rmSync(join(partial, 'usr/bin/redis-server'), { force: true })
    renameSync(join(partial, 'usr/bin/redis-check-rdb'), join(partial, 'usr/bin/redis-server'))
    renameSync(partial, root)
  }
  const machine = process.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu'
  return { file: join(root, 'usr/bin/redis-server'), env: { LD_LIBRARY_PATH: join(root, 'usr/lib', machine) } }
}

export function run(command: string, args: string[], cwd?: string) {
  const done = spawnSync(command, args, {
    cwd,
    encoding: 'utf8',
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  })
  if (done.status === 0) return
  throw new Error(`${command} ${args[0]} failed: ${done.error?.message ?? done.stderr}`)
}
