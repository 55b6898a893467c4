/** A PostgreSQL primary is replaced by its synchronous replica under load: nothing acknowledged is lost, nothing is restarted. */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest'
import { createRedisCache } from '../../server/storage/cache.redis.ts'
import { createPostgres } from '../../server/storage/database.ts'
import { migrate } from '../../server/storage/migrate.ts'
import { ask, type PostgresPair, startPostgresPair } from '../services/postgres-pair.ts'
import { type Reply, startTestGateway, type TestGateway } from './test-gateway.ts'

/** Far beyond what it takes, on a busy machine. */
const RECOVERY_MS = 15_000

describe.runIf(inject('stores') === 'real')('while the PostgreSQL primary is switched', () => {
  let pair: PostgresPair
  let gateway: TestGateway
  let people = 0

  beforeEach(async () => {
    pair = await startPostgresPair()
    const database = createPostgres({ url: pair.url, poolMax: 8 })
    await migrate(database.kysely)
    gateway = await startTestGateway({
      stores: {
        kind: 'real',
        database,
        cache: createRedisCache({ url: inject('redisUrl'), keyPrefix: `switch ${pair.primary.port}:` }),
        databaseUrl: pair.url,
        redisUrl: inject('redisUrl'),
        replica: () => expect.fail('one replica is enough here'),
        close: async () => undefined,
      },
    })
  })
  afterEach(async () => {
    await gateway?.close()
    await pair?.stop()
  })

  const login = () => gateway.login(`person ${people++}`)

  /** People log in all the time, several at once, until told to stop. */
  function crowd() {
    const replies: Reply[] = []
    let going = true
    const one = async () => {
      while (going) {
        replies.push(await login())
        await sleep(5)
      }
    }
    const all = Promise.all(Array.from({ length: 8 }, one))
    return {
      replies,
      async stop() {
        going = false
        await all
      },
    }
  }
  const codesOf = (replies: Reply[]) => new Set(replies.map(({ body }) => body.code))
  const acknowledged = (replies: Reply[]) => replies.filter(({ body }) => body.code === '00000')

  async function recovered(): Promise<void> {
    const deadline = Date.now() + RECOVERY_MS
    while ((await login()).body.code !== '00000') {
      expect(Date.now(), 'it did not recover').toBeLessThan(deadline)
      await sleep(50)
    }
    // Every connection of the pool, not only the first that is free.
    expect(codesOf(await Promise.all(Array.from({ length: 50 }, login)))).toEqual(new Set(['00000']))
  }
  async function nothingLost(replies: Reply[]): Promise<void> {
    for (const { body } of acknowledged(replies)) {
      const renewed = await gateway.post('/api/refresh', { refresh_token: body.data.refresh_token })
      expect(renewed.body).toMatchObject({ code: '00000', data: { user_id: body.data.user_id } })
    }
  }

  test('a primary that is killed: acknowledged logins survive, others get B0320, and the service recovers by itself', async () => {
    const load = crowd()
    await sleep(500)
    await pair.primary.kill()
    const before = acknowledged(load.replies).length
    await sleep(300)
    // As happens: the address moves before the replica was promoted, and for a while leads to a server that only reads.
    pair.point(pair.replica)
    await sleep(700)
    expect((await login()).body.code).toBe('B0320')
    await pair.promote()
    await recovered()
    await load.stop()
    expect(before).toBeGreaterThan(10)
    expect(codesOf(load.replies)).toEqual(new Set(['00000', 'B0320']))
    await nothingLost(load.replies)
  })

  test('a primary that is demoted but lives on: the first refusal drops every connection that stayed with it', async () => {
    const replies = await Promise.all(Array.from({ length: 50 }, login))
    // Logins share a statement, and so a connection; these are one each.
    await Promise.all(replies.map(({ body }) => gateway.call('GET', '/api/user', { token: body.data.token })))
    const connections = "select count(*)::int from pg_stat_activity where application_name = 'auth-gateway'"
    expect(await ask(pair.primary.url, connections)).toBeGreaterThan(1)
    await ask(pair.primary.url, 'alter system set default_transaction_read_only = on')
    await ask(pair.primary.url, 'select pg_reload_conf()')
    await pair.promote()
    pair.point(pair.replica)
    expect((await login()).body.code).toBe('B0320')
    await expect.poll(() => ask(pair.primary.url, connections), { timeout: 5000 }).toBe(0)
    await recovered()
    await nothingLost(replies)
  })
})
