/** A PostgreSQL primary with a synchronous streaming replica, and the one address in front of them that is re-pointed at a switch. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from 'pg'
import { startPostgres } from './postgres.ts'
import { freePort, type Service } from './service.ts'

export type PostgresPair = {
  primary: Service
  replica: Service
  /** The shared address; it leads to the primary until it is pointed elsewhere. */
  url: string
  point(to: Service): void
  promote(): Promise<void>
  stop(): Promise<void>
}

export async function startPostgresPair(): Promise<PostgresPair> {
  const replicaData = join(mkdtempSync(join(tmpdir(), 'gateway-postgres-')), 'replica')
  const primary = await startPostgres({
    settings: { synchronous_standby_names: '*' },
    // A copy of a directory that no server has touched yet is as good as a base backup, and needs no tool for it.
    onNewData: (dataDir) => copyAsReplica(dataDir, replicaData),
  })
  let replica: Service
  try {
    const settings = { primary_conninfo: `host=127.0.0.1 port=${primary.port} user=postgres` }
    replica = await startPostgres({ dataDir: replicaData, settings })
  } catch (error) {
    await primary.stop()
    throw error
  }
  const address = await startSharedAddress(primary.port)
  const pair: PostgresPair = {
    primary,
    replica,
    url: `postgres://postgres@127.0.0.1:${address.port}/postgres`,
    point: (to) => address.point(to.port),
    async promote() {
      await ask(replica.url, 'select pg_promote()')
    },
    async stop() {
      address.close()
      await Promise.all([primary.stop(), replica.stop()])
    },
  }
  const deadline = Date.now() + 20_000
  while ((await ask(primary.url, 'select sync_state from pg_stat_replication')) !== 'sync') {
    if (Date.now() > deadline) {
      await pair.stop()
      throw new Error('the replica does not follow the primary')
    }
    await sleep(50)
  }
  return pair
}

function copyAsReplica(from: string, to: string): void {
  const copied = spawnSync('sh', ['-c', 'cp -a "$1" "$2" && chmod 711 "$(dirname "$2")"', 'copy', from, to])
  if (copied.status !== 0) throw new Error(`cannot copy the data directory: ${copied.stderr}`)
  writeFileSync(join(to, 'standby.signal'), '')
}

/** The first column of the first row. */
export async function ask(url: string, statement: string): Promise<unknown> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 2000 })
  await client.connect()
  try {
    const { rows } = await client.query<Record<string, unknown>>(statement)
    return Object.values(rows[0] ?? {})[0]
  } finally {
    await client.end()
  }
}

/** What a virtual address or a TCP balancer is to a client: connections stay where they began, new ones go where it points now. */
async function startSharedAddress(firstPort: number) {
  let target = firstPort
  const server = createServer((socket) => {
    const onward = connect(target, '127.0.0.1')
    for (const [one, other] of [
      [socket, onward],
      [onward, socket],
    ] as const) {
      one.pipe(other)
      one.on('error', () => other.destroy())
      one.on('close', () => other.destroy())
    }
  })
  server.listen(await freePort(), '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  server.unref()
  return {
    port: (server.address() as AddressInfo).port,
    point(port: number) {
      target = port
    },
    close: () => void server.close(),
  }
}
