/** The floor of the benchmarks as a service under test: it logs in, and does nothing else that a login service must. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ROOT } from '../chaos/site.ts'
import { startPostgres } from '../src/dev/services/postgres.ts'
import { startRedis } from '../src/dev/services/redis.ts'
import { type Service, startService } from '../src/dev/services/service.ts'

/** Where it answers. */
export async function startFloor(wechatUrl: string): Promise<{ url: string; stop(): Promise<void> }> {
  const stores = await Promise.all([startPostgres(), startRedis()])
  const stopAll = async (services: readonly Service[]) =>
    void (await Promise.all(services.map((service) => service.stop())))
  const [postgres, redis] = stores
  const dataDir = mkdtempSync(join(tmpdir(), 'floor-'))
  const environment = { DATABASE_URL: postgres.url, REDIS_URL: redis.url, WECHAT_API_BASE: wechatUrl }
  try {
    const floor = await startFloorProcess(dataDir, environment)
    return { url: floor.url, stop: () => stopAll([floor, ...stores]) }
  } catch (error) {
    await stopAll(stores)
    throw error
  }
}

function startFloorProcess(dataDir: string, environment: Record<string, string>): Promise<Service> {
  return startService({
    name: 'the floor',
    file: '/bin/sh',
    // It takes its port from the environment alone.
    args: (port) => [
      '-c',
      'PORT=$1 exec "$2" "$3"',
      'floor',
      `${port}`,
      process.execPath,
      join(ROOT, 'bench/floors/bare.ts'),
    ],
    env: { PATH: process.env.PATH ?? '', ...environment },
    stopSignal: 'SIGTERM',
    probe: async (port) => {
      const reply = await fetch(`http://127.0.0.1:${port}/.well-known/jwks.json`, { signal: AbortSignal.timeout(1000) })
      await reply.arrayBuffer()
    },
    url: (port) => `http://127.0.0.1:${port}`,
    dataDir,
    removeData: () => rmSync(dataDir, { recursive: true, force: true }),
  })
}
