/** A real PgBouncer in transaction mode on loopback, with the distribution's defaults, in front of a PostgreSQL of ours. */
import { chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import { unprivilegedUser } from './postgres.ts'
import { onPath, run } from './redis.ts'
import { type Service, startService } from './service.ts'

export type PgbouncerOptions = {
  /** The PostgreSQL behind it. */
  port: number
  /** Connections to it, shared by all clients. */
  poolSize: number
}

export async function startPgbouncer({ port: postgresPort, poolSize }: PgbouncerOptions): Promise<Service> {
  const file = findPgbouncer()
  // It refuses to run as root, like PostgreSQL.
  const user = unprivilegedUser()
  const dataDir = mkdtempSync(join(tmpdir(), 'gateway-pgbouncer-'))
  if (user) chownSync(dataDir, user.uid, user.gid)
  writeFileSync(join(dataDir, 'userlist.txt'), '"postgres" ""\n')
  const configure = (port: number): string => {
    const path = join(dataDir, 'pgbouncer.ini')
    const lines = [
      '[databases]',
      `* = host=127.0.0.1 port=${postgresPort}`,
      '[pgbouncer]',
      'listen_addr = 127.0.0.1',
      `listen_port = ${port}`,
      'unix_socket_dir =',
      'auth_type = trust',
      `auth_file = ${join(dataDir, 'userlist.txt')}`,
      'pool_mode = transaction',
      `default_pool_size = ${poolSize}`,
    ]
    writeFileSync(path, `${lines.join('\n')}\n`)
    return path
  }
  const url = (port: number) => `postgres://postgres@127.0.0.1:${port}/postgres`
  return startService({
    name: 'PgBouncer',
    file,
    args: (port) => [configure(port)],
    ...(user ? { user } : {}),
    stopSignal: 'SIGTERM',
    async probe(port) {
      const client = new Client({ connectionString: url(port), connectionTimeoutMillis: 1000 })
      client.on('error', () => {})
      await client.connect()
      await client.query('select 1')
      await client.end()
    },
    url,
    dataDir,
    removeData: () => rmSync(dataDir, { recursive: true, force: true }),
  })
}

function findPgbouncer(): string {
  const installed = onPath('pgbouncer')
  if (installed) return installed
  if (process.getuid?.() === 0) {
    run('apt-get', ['update', '-q'])
    run('apt-get', ['install', '-y', '-q', '--no-install-recommends', 'pgbouncer'])
    const file = onPath('pgbouncer')
    if (file) return file
  }
  throw new Error('no PgBouncer: install the package pgbouncer')
}
