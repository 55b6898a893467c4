/** A real server process on loopback, held by its pid: what tests, chaos runs and benchmarks start, freeze, kill and stop. */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

export type Service = {
  url: string
  port: number
  /** Of the process that runs now; another one after `restart`. */
  readonly pid: number
  dataDir: string
  /** Ends it in an orderly way and removes its data. */
  stop(): Promise<void>
  /** Ends it in an orderly way and answers its exit code (null: a signal ended it); the data stays for `restart`. */
  end(): Promise<number | null>
  /** SIGKILL to the server and its children; the data stays for `restart`. */
  kill(): Promise<void>
  /** SIGSTOP: connections stay open and nothing answers. */
  freeze(): void
  thaw(): void
  /** Stops it if it runs and starts it again: same port, same data directory. */
  restart(): Promise<void>
}

export type ServiceCommand = {
  name: string
  file: string
  args: (port: number) => string[]
  env?: Record<string, string>
  user?: { uid: number; gid: number }
  stopSignal: NodeJS.Signals
  /** Rejects as long as the server does not answer on this port, or another server does. */
  probe: (port: number, pid: number) => Promise<void>
  url: (port: number) => string
  port?: number | undefined
  /** How long its start may take. */
  readyTimeoutMs?: number
  dataDir: string
  removeData: () => void
  log?: ((line: string) => void) | undefined
}

const PORT_ATTEMPTS = 5
const READY_TIMEOUT_MS = 20_000
const STOP_TIMEOUT_MS = 15_000

/** Starts the command and waits until its probe succeeds; without a given port it tries several. */
export async function startService(command: ServiceCommand): Promise<Service> {
  let port = command.port ?? (await freePort())
  let running = await launchAnywhere()

  async function launchAnywhere(): Promise<Running> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await launch(command, port)
      } catch (error) {
        if (command.port !== undefined || attempt === PORT_ATTEMPTS) {
          command.removeData()
          throw error
        }
        port = await freePort()
      }
    }
  }

  async function halt(signal: NodeJS.Signals) {
    signalTree(running.pid, 'SIGCONT')
    if (signal === 'SIGKILL') signalTree(running.pid, 'SIGKILL')
    else send(running.pid, signal)
    const inTime = await Promise.race([running.ended().then(() => true), sleep(STOP_TIMEOUT_MS, false, { ref: false })])
    if (!inTime) signalTree(running.pid, 'SIGKILL')
    await running.ended()
  }

  return {
    url: command.url(port),
    port,
    get pid() {
      return running.pid
    },
    dataDir: command.dataDir,
    async stop() {
      if (running.alive()) await halt(command.stopSignal)
      command.removeData()
    },
    async end() {
      if (running.alive()) await halt(command.stopSignal)
      return running.exitCode()
    },
    async kill() {
      if (running.alive()) await halt('SIGKILL')
    },
    freeze: () => signalTree(running.pid, 'SIGSTOP'),
    thaw: () => signalTree(running.pid, 'SIGCONT'),
    async restart() {
      if (running.alive()) await halt(command.stopSignal)
      running = await launch(command, port)
    },
  }
}

type Running = { pid: number; alive: () => boolean; ended: () => Promise<void>; exitCode: () => number | null }

async function launch(command: ServiceCommand, port: number): Promise<Running> {
  const child = spawn(command.file, command.args(port), {
    cwd: command.dataDir,
    env: { PATH: process.env.PATH ?? '', LC_ALL: 'C', TZ: 'UTC', ...command.env },
    ...command.user,
    // A group of its own: Ctrl-C in the terminal ends the tests first, and the guard then ends the server.
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let failure: Error | undefined
  const exited = new Promise<void>((resolve) => {
    child.once('exit', () => resolve())
    child.once('error', (error) => {
      failure = error
      resolve()
    })
  })
  const tail = keepTail(child, command.log)
  const alive = () => child.exitCode === null && child.signalCode === null && failure === undefined
  const pid = child.pid ?? 0
  if (pid !== 0) void exited.then(guard(pid, command.dataDir))
  const ended = () => {
    child.ref()
    return exited
  }

  const deadline = Date.now() + (command.readyTimeoutMs ?? READY_TIMEOUT_MS)
  for (;;) {
    const ready = await command.probe(port, pid).then(
      () => true,
      () => false,
    )
    if (!alive() || Date.now() > deadline) {
      if (pid !== 0) signalTree(pid, 'SIGKILL')
      await exited
      throw new Error(`${command.name} did not start on port ${port}: ${failure?.message ?? tail()}`)
    }
    if (ready) {
      // A running server must not keep a finished program alive; waiting for its end does.
      child.unref()
      return { pid, alive, ended, exitCode: () => child.exitCode }
    }
    await sleep(20)
  }
}

/**
 * Ends the server when this process dies, however it dies: a shell reads a pipe that only we hold, and at its end kills the
 * server and removes the data. (Exit handlers do not run on SIGKILL.)
 */
function guard(pid: number, dataDir: string): () => void {
  const script = 'read -r _ || { kill -9 $(cat /proc/$1/task/$1/children 2>/dev/null || pgrep -P $1) $1; rm -rf "$2"; }'
  const shell = spawn('/bin/sh', ['-c', script, 'guard', String(pid), dataDir], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  shell.unref()
  shell.stdin.on('error', () => {})
  if ('unref' in shell.stdin && typeof shell.stdin.unref === 'function') shell.stdin.unref()
  return () => shell.stdin.end('released\n')
}

function keepTail(child: ChildProcess, log: ((line: string) => void) | undefined): () => string {
  let tail = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      tail = (tail + text).slice(-4000)
      if (log) for (const line of text.split('\n')) if (line !== '') log(line)
    })
    if (stream && 'unref' in stream && typeof stream.unref === 'function') stream.unref()
  }
  return () => tail
}

/** The server first, so that it starts no new child meanwhile; PostgreSQL's children are no part of its process group. */
function signalTree(pid: number, signal: NodeJS.Signals) {
  const before = childrenOf(pid)
  send(pid, signal)
  for (const child of new Set([...before, ...childrenOf(pid)])) send(child, signal)
}

export function childrenOf(pid: number): number[] {
  const list =
    process.platform === 'linux'
      ? readIfThere(`/proc/${pid}/task/${pid}/children`)
      : spawnSync('pgrep', ['-P', String(pid)], { encoding: 'utf8' }).stdout
  return list.split(/\s+/).filter(Boolean).map(Number)
}

function readIfThere(file: string): string {
  return existsSync(file) ? readFileSync(file, 'utf8') : ''
}

function send(pid: number, signal: NodeJS.Signals) {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
  }
}

/** Free now, on loopback, and below the range from which the kernel takes ports for outgoing connections. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(10_000, 32_000)
    const free = await new Promise<boolean>((resolve) => {
      const server = createServer()
      server.once('error', () => resolve(false))
      server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
    })
    if (free) return port
  }
}
