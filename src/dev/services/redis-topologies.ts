/** A real Redis Cluster and a real Sentinel group on loopback, small and impatient, so that failovers are tested on the thing itself. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { startRedis } from './redis.ts'
import { freePort, type Service } from './service.ts'

const SETTLE_TIMEOUT_MS = 30_000
const SLOTS = 16_384

export type RedisGroup = {
  /** The value of REDIS_URL. */
  url: string
  /** The servers that began as masters. */
  masters: Service[]
  replicas: Service[]
  stop(): Promise<void>
}

/** Three masters with a replica each; a master that is silent for a second is replaced. */
export async function startRedisCluster(): Promise<RedisGroup> {
  const started: Service[] = []
  const busPorts = new Map<Service, number>()
  async function node(): Promise<Service> {
    const busPort = await freePort()
    const settings = { enabled: 'yes', 'config-file': 'nodes.conf', 'node-timeout': '1000', port: String(busPort) }
    const args = Object.entries(settings).flatMap(([name, value]) => [`--cluster-${name}`, value])
    const service = await startRedis({ args: [...args, '--repl-diskless-sync-delay', '0'] })
    started.push(service)
    busPorts.set(service, busPort)
    return service
  }
  return await orStop(started, async () => {
    const masters = [await node(), await node(), await node()] as const
    const replicas = [await node(), await node(), await node()]
    const all = [...masters, ...replicas]
    const ids = new Map<Service, string>()
    for (const [index, each] of all.entries())
      await withRedis(each, async (redis) => {
        ids.set(each, String(await redis.cluster('MYID')))
        await redis.call('CLUSTER', 'SET-CONFIG-EPOCH', String(index + 1))
        await redis.call('CLUSTER', 'MEET', '127.0.0.1', String(masters[0].port), String(busPorts.get(masters[0])))
      })
    for (const [index, master] of masters.entries()) {
      const bounds = [index, index + 1].map((part) => Math.floor((part * SLOTS) / masters.length))
      await withRedis(master, (redis) =>
        redis.call('CLUSTER', 'ADDSLOTSRANGE', String(bounds[0]), String(Number(bounds[1]) - 1)),
      )
    }
    for (const [index, replica] of replicas.entries()) {
      const id = ids.get(masters[index] ?? masters[0]) ?? ''
      await settled(`replica ${index} follows its master`, () =>
        withRedis(replica, async (redis) => (await redis.call('CLUSTER', 'REPLICATE', id)) === 'OK'),
      )
    }
    for (const [index, each] of all.entries())
      await settled(`node ${index} sees the whole Cluster`, () =>
        withRedis(each, async (redis) => {
          const [info, nodes] = [String(await redis.cluster('INFO')), String(await redis.cluster('NODES'))]
          return info.includes('cluster_state:ok') && nodes.match(/\bslave\b/g)?.length === replicas.length
        }),
      )
    await replicated(replicas)
    return {
      url: `redis+cluster://${all.map(({ port }) => `127.0.0.1:${port}`).join(',')}`,
      masters: [...masters],
      replicas,
      stop: () => stopAll(started),
    }
  })
}

/** A master, two replicas and three Sentinels that replace a master after half a second of silence. */
export async function startRedisSentinel(masterName = 'gateway'): Promise<RedisGroup & { sentinels: Service[] }> {
  const started: Service[] = []
  return await orStop(started, async () => {
    const start = async (options: Parameters<typeof startRedis>[0]) => {
      const service = await startRedis(options)
      started.push(service)
      return service
    }
    const master = await start({ args: ['--repl-diskless-sync-delay', '0'] })
    const follow = ['--replicaof', '127.0.0.1', String(master.port), '--repl-diskless-sync-delay', '0']
    const replicas = [await start({ args: follow }), await start({ args: follow })]
    await replicated(replicas)
    const sentinel = [
      `sentinel monitor ${masterName} 127.0.0.1 ${master.port} 2`,
      `sentinel down-after-milliseconds ${masterName} 500`,
      `sentinel failover-timeout ${masterName} 3000`,
      '',
    ].join('\n')
    const sentinels = [await start({ sentinel }), await start({ sentinel }), await start({ sentinel })]
    for (const [index, each] of sentinels.entries())
      await settled(`Sentinel ${index} knows the others and the replicas`, () =>
        withRedis(each, async (redis) => {
          const answers = await Promise.all(
            ['SENTINELS', 'REPLICAS'].map((what) => redis.call('SENTINEL', what, masterName)),
          )
          return answers.every((answer) => Array.isArray(answer) && answer.length === 2)
        }),
      )
    return {
      url: `redis+sentinel://${sentinels.map(({ port }) => `127.0.0.1:${port}`).join(',')}/${masterName}`,
      masters: [master],
      replicas,
      sentinels,
      stop: () => stopAll(started),
    }
  })
}

async function replicated(replicas: readonly Service[]): Promise<void> {
  for (const [index, replica] of replicas.entries())
    await settled(`replica ${index} is in step`, () =>
      withRedis(replica, async (redis) => (await redis.info('replication')).includes('master_link_status:up')),
    )
}

async function withRedis<T>(service: Service, use: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis({ host: '127.0.0.1', port: service.port, enableReadyCheck: false, commandTimeout: 2000 })
  redis.on('error', () => undefined)
  try {
    return await use(redis)
  } finally {
    redis.disconnect()
  }
}

async function settled(what: string, check: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + SETTLE_TIMEOUT_MS
  while (!(await check().catch(() => false))) {
    if (Date.now() > deadline) throw new Error(`not within ${SETTLE_TIMEOUT_MS / 1000} s: ${what}`)
    await sleep(50)
  }
}

async function orStop<T>(started: readonly Service[], build: () => Promise<T>): Promise<T> {
  try {
    return await build()
  } catch (error) {
    await stopAll(started)
    throw error
  }
}

async function stopAll(services: readonly Service[]): Promise<void> {
  await Promise.all(services.map((service) => service.stop()))
}
