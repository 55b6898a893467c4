/** Events to services by push, on the embedded stores and on the real ones with two replicas. */
import { afterEach, describe, expect, test, vi } from 'vitest'
import { createEventService, type EventService } from '../../dev/testing/event-service.ts'
import { openTestStores } from '../../dev/testing/real-stores.ts'
import { APPID, startTestGateway, type TestGateway } from '../../dev/testing/test-gateway.ts'
import { systemClock } from '../clock.ts'
import { createDeliveryStore } from './store.ts'
import { createWorker } from './worker.ts'

const OPERATOR = 'operator-token-0123456789-0123456789-0123'
const opened: { close(): unknown }[] = []
afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close()
})

type House = { gateway: TestGateway; services: Record<string, EventService> }

async function open(targets: Record<string, unknown>[], environment: Record<string, string> = {}): Promise<House> {
  const services = Object.fromEntries(targets.map(({ id }) => [String(id), createEventService()]))
  const gateway = await startTestGateway({
    environment: {
      EVENT_TARGETS: JSON.stringify(
        targets.map((target) => ({ url: `https://${target.id}.test/events`, audience: 'orders', ...target })),
      ),
      ADMIN_TOKENS: `ops:admin:${OPERATOR}`,
      ...environment,
    },
    sendElsewhere: async (request) => {
      const service = services[new URL(request.url).hostname.replace('.test', '')]
      if (!service) throw new Error(`nobody is at ${request.url}`)
      return await service.send(request)
    },
  })
  opened.push(gateway)
  for (const service of Object.values(services)) {
    service.trust(gateway)
    opened.push(service)
  }
  return { gateway, services }
}

const one = async (environment?: Record<string, string>) => {
  const { gateway, services } = await open([{ id: 'orders' }], environment)
  return { gateway, service: services.orders as EventService }
}

const admin = (gateway: TestGateway, method: string, path: string, body?: unknown) =>
  gateway.internal(method, path, { token: OPERATOR, ...(body === undefined ? {} : { body }) })
const setRoles = (gateway: TestGateway, userId: string, roles: string[]) =>
  admin(gateway, 'PUT', `/admin/users/${userId}/roles`, { roles })
const rows = <Row>(gateway: TestGateway, text: string, values: unknown[] = []) =>
  gateway.stores.database.run<Row>({ name: '', text }, values)
/** As if this much time had passed. */
const timePasses = (gateway: TestGateway) =>
  rows(gateway, `update event_deliveries set due_at = clock_timestamp() where state = 'pending'`)
const rested = (gateway: TestGateway) => rows(gateway, `update event_targets set paused_until = 'epoch'`)
const eventually = (check: () => void | Promise<void>) => vi.waitFor(check, { timeout: 15_000, interval: 50 })

describe('what is told', () => {
  test('the life of a user in order: ids, names of fields and reasons, and nothing personal', async () => {
    const { gateway, service } = await one()
    const { data } = (await gateway.login('ada')).body
    const token = data.token
    await gateway.call('PATCH', '/api/user', { token, body: { nickname: 'Ada Lovelace', email: 'ada@example.com' } })
    await admin(gateway, 'POST', `/admin/users/${data.user_id}/suspend`)
    await admin(gateway, 'POST', `/admin/users/${data.user_id}/reinstate`)
    const again = (await gateway.login('ada')).body.data
    const code = gateway.simulator.login(APPID, 'ada')
    const receipt = (await gateway.call('DELETE', '/api/user', { token: again.token, body: { code } })).body.data
    await eventually(() => expect(service.heard).toHaveLength(7))
    expect(service.names(data.user_id)).toEqual([
      'user-created',
      'user-updated',
      'account-disabled',
      'session-revoked',
      'account-enabled',
      'account-purged',
      'session-revoked',
    ])
    const [, updated, disabled, ended, , purged, last] = service.heard
    expect(updated?.members).toEqual({ fields: ['nickname', 'email'] })
    expect(ended?.members).toMatchObject({ reason: 'suspended', initiating_entity: 'admin', user_id: data.user_id })
    expect(ended?.txn).toBe(disabled?.txn)
    expect(purged?.members).toEqual({ erasure_id: receipt.receipt_id })
    expect(last?.txn).toBe(purged?.txn)
    expect(JSON.stringify(await rows(gateway, 'select * from events'))).not.toMatch(/lovelace|example\.com/i)
  })

  test('a login writes an event for a new user and for nobody else', async () => {
    const { gateway, service } = await one()
    await gateway.login('bob')
    await gateway.login('bob')
    await gateway.login('bob')
    await eventually(() => expect(service.names()).toEqual(['user-created']))
    expect(await rows(gateway, 'select kind from events')).toEqual([{ kind: 'user.created' }])
  })

  test('a login costs no statement more, whether services are told or not', async () => {
    const counted = async (environment: Record<string, string>) => {
      const stores = await openTestStores({ clock: systemClock })
      const names: string[] = []
      const run: typeof stores.database.run = (statement, values) => {
        names.push(statement.name)
        return stores.database.run(statement, values)
      }
      const gateway = await startTestGateway({
        stores: { ...stores, database: { ...stores.database, run } },
        environment,
        sendElsewhere: async () => ({ status: 202, text: '' }),
      })
      opened.push(gateway)
      await gateway.login('ann')
      const before = names.length
      await gateway.login('ann')
      return names.slice(before).filter((name) => /sign_in|open_session|sessions?$/.test(name))
    }
    const told = await counted({ EVENT_TARGETS: '[{"id":"orders","url":"https://orders.test/","audience":"orders"}]' })
    expect([told, await counted({})]).toEqual([['sign_in'], ['sign_in']])
  })

  test('a change by hand is told like any other, and one that is rolled back is not', async () => {
    const { gateway, service } = await one()
    const userId = (await gateway.login('eve')).body.data.user_id
    await rows(gateway, `update users set status = 'suspended' where id = $1`, [userId])
    await expect(
      rows(gateway, `update users set status = 'active', sex = 'none' where id = $1`, [userId]),
    ).rejects.toThrow()
    await eventually(() => expect(service.names()).toEqual(['user-created', 'account-disabled']))
  })

  test('a target is told only what it asked for, with its own audience and token', async () => {
    const token = 'a-token-of-the-orders-service'
    const { gateway, services } = await open([{ id: 'orders', events: ['user.suspended'], token }, { id: 'all' }])
    const userId = (await gateway.login('kim')).body.data.user_id
    await admin(gateway, 'POST', `/admin/users/${userId}/suspend`)
    await eventually(() => expect(services.all?.heard).toHaveLength(3))
    await eventually(() => expect(services.orders?.names()).toEqual(['account-disabled']))
    expect(services.orders?.requests[0]?.headers).toMatchObject({
      Authorization: `Bearer ${token}`,
      'Content-Type': 'application/secevent+jwt',
    })
    expect(gateway.logs()).not.toContain(token)
  })

  test('without EVENT_TARGETS nothing is written, nothing is served and no statement is sent', async () => {
    const gateway = await startTestGateway({ environment: { ADMIN_TOKENS: `ops:admin:${OPERATOR}` } })
    opened.push(gateway)
    const userId = (await gateway.login('nil')).body.data.user_id
    await admin(gateway, 'POST', `/admin/users/${userId}/suspend`)
    expect(await rows(gateway, 'select count(*)::int as n from events')).toEqual([{ n: 0 }])
    expect((await admin(gateway, 'GET', '/admin/deliveries')).status).toBe(404)
    expect((await gateway.publicApp.request('/.well-known/ssf-configuration')).status).toBe(404)
  })
})

describe('no event is lost', () => {
  test('when the replica that delivers dies between sending and marking: the same event comes again, and only then the next', async () => {
    const { gateway, service } = await one()
    service.answer(() => 'away')
    const userId = (await gateway.login('fay')).body.data.user_id
    await setRoles(gateway, userId, ['a'])
    await eventually(() => expect(service.requests.length).toBeGreaterThan(0))
    // A replica of which nothing is heard after it has sent: its mark never comes.
    const store = createDeliveryStore(gateway.stores.replica().database)
    const sent: string[] = []
    const dying = createWorker({
      target: 'orders',
      store: { ...store, delivered: () => new Promise(() => undefined) },
      sign: async (event) => event.id,
      push: async (jwt) => {
        sent.push(jwt)
        return { outcome: 'delivered', done: false }
      },
      onSettled: () => undefined,
      onError: () => undefined,
    })
    await eventually(async () => {
      await timePasses(gateway)
      await rested(gateway)
      dying.nudge()
      expect(sent).toHaveLength(1)
    })
    service.answer(() => ({ status: 202, text: '' }))
    await setRoles(gateway, userId, ['b'])
    expect(service.heard).toEqual([])
    await eventually(async () => {
      // Its lease is over.
      await timePasses(gateway)
      await rested(gateway)
      expect(service.names()).toEqual(['user-created', 'user-updated', 'user-updated'])
    })
    expect(service.heard[0]?.jti).toBe(sent[0])
  })

  test('with two replicas and many users each event is told, and those of a user in order', async () => {
    const { gateway, service } = await one()
    opened.push(await gateway.replica())
    service.delay(() => 1 + Math.random() * 60)
    const users = await Promise.all(
      Array.from({ length: 8 }, async (_, n) => (await gateway.login(`crowd ${n}`)).body.data.user_id),
    )
    for (let round = 0; round < 5; round += 1)
      await Promise.all(users.map((userId) => setRoles(gateway, userId, [`r${round}`])))
    await Promise.all(users.map((userId) => admin(gateway, 'POST', `/admin/users/${userId}/suspend`)))
    await eventually(() => expect(new Set(service.heard.map(({ jti }) => jti)).size).toBe(8 * 8))
    const expected = ['user-created', ...Array(5).fill('user-updated'), 'account-disabled', 'session-revoked']
    for (const userId of users) expect(service.names(userId)).toEqual(expected)
    expect(service.most()).toBeGreaterThan(1)
  })

  test('while the service is away: it comes once it is back, and the dead target costs few tries', async () => {
    const { gateway, service } = await one()
    service.answer(() => 'away')
    for (let n = 0; n < 6; n += 1) await gateway.login(`away ${n}`)
    await eventually(() => expect(service.requests.length).toBeGreaterThanOrEqual(3))
    await new Promise((resolve) => setTimeout(resolve, 1500))
    expect(service.requests.length).toBeLessThan(20)
    const states = (await admin(gateway, 'GET', '/admin/event-targets')).body.data.items
    expect(states[0]).toMatchObject({ id: 'orders', mode: 'push', pending: 6, dead: 0 })
    service.answer(() => ({ status: 202, text: '' }))
    await eventually(async () => {
      await timePasses(gateway)
      await rested(gateway)
      expect(service.heard).toHaveLength(6)
    })
  })

  test('while nothing can be signed: nothing is sent, no attempt is counted, and afterwards it goes out', async () => {
    const { gateway, service } = await one()
    await gateway.login('ida')
    await eventually(() => expect(service.heard).toHaveLength(1))
    // A target that no gateway works for, so that only this worker is at it.
    await rows(
      gateway,
      `insert into event_targets (id, pushed, acknowledges_erasure, seen_at) values ('mute', true, false, now())`,
    )
    await rows(gateway, `insert into event_deliveries (target, seq, user_id) select 'mute', seq, user_id from events`)
    const store = createDeliveryStore(gateway.stores.database)
    const push = vi.fn(async () => ({ outcome: 'delivered' as const, done: false }))
    const work = async (jwt: string | undefined) => {
      const worker = createWorker({
        ...{ target: 'mute', store, sign: async () => jwt, push, onSettled: () => undefined },
        onError: (error) => expect.unreachable(String(error)),
      })
      worker.nudge()
      await worker.stop()
      return await rows(
        gateway,
        `select state, attempts, due_at > clock_timestamp() as rests from event_deliveries where target = 'mute'`,
      )
    }
    expect(await work(undefined)).toEqual([{ state: 'pending', attempts: 0, rests: true }])
    expect(push).not.toHaveBeenCalled()
    await rows(gateway, `update event_deliveries set due_at = now() where target = 'mute'`)
    expect(await work('signed')).toMatchObject([{ state: 'delivered', attempts: 1 }])
    expect(push.mock.calls).toEqual([['signed']])
  })
})

describe('a target that makes trouble', () => {
  test('holds up no other: a slow one and a dead one beside a good one', async () => {
    const { gateway, services } = await open([{ id: 'slow' }, { id: 'dead' }, { id: 'good' }])
    services.slow?.delay(() => 3000)
    services.dead?.answer(() => 'away')
    const startedAt = performance.now()
    await Promise.all(Array.from({ length: 30 }, (_, n) => gateway.login(`p${n}`)))
    const loggedInMs = performance.now() - startedAt
    await eventually(() => expect(services.good?.heard).toHaveLength(30))
    expect(services.slow?.heard.length).toBeLessThan(30)
    expect(services.slow?.most()).toBeLessThanOrEqual(16)
    expect(loggedInMs).toBeLessThan(3000)
  })

  test('a refusal by the standard is a dead letter at once, and the next event of the user goes on', async () => {
    const { gateway, service } = await one()
    service.answer(({ name }) =>
      name === 'user-created'
        ? { status: 400, text: '{"err":"invalid_request","description":"ada@example.com"}' }
        : { status: 202, text: '' },
    )
    const userId = (await gateway.login('joe')).body.data.user_id
    await setRoles(gateway, userId, ['a'])
    await eventually(() => expect(service.names()).toEqual(['user-updated']))
    const { items } = (await admin(gateway, 'GET', '/admin/deliveries?state=dead&target=orders')).body.data
    expect(items).toMatchObject([
      { kind: 'user.created', user_id: userId, attempts: 1, last_error: 'invalid_request', due_at: null },
    ])
    expect(gateway.logs()).toMatch(/ALERT: a service will not take an event/)
    expect(gateway.logs()).not.toContain('ada@example.com')
    service.answer(() => ({ status: 202, text: '' }))
    const body = { target: 'orders', event_id: items[0].event_id }
    expect((await admin(gateway, 'POST', '/admin/deliveries/retry', body)).body.code).toBe('00000')
    await eventually(() => expect(service.names()).toEqual(['user-updated', 'user-created']))
    expect((await admin(gateway, 'POST', '/admin/deliveries/retry', body)).status).toBe(404)
    const audit = await admin(gateway, 'GET', '/admin/audit?kind=delivery_retried')
    expect(audit.body.data.items).toMatchObject([{ actor: 'operator:ops', user_id: userId, detail: body }])
  })

  test('an event that it cannot take now waits for itself, and delays that user alone', async () => {
    const { gateway, service } = await one()
    let stuck = ''
    service.answer(({ userId, name }) => ({
      status: userId === stuck && name === 'user-updated' ? 503 : 202,
      text: '',
    }))
    const [a, b] = await Promise.all(['a', 'b'].map(async (who) => (await gateway.login(who)).body.data.user_id))
    await eventually(() => expect(service.heard).toHaveLength(2))
    stuck = a
    await setRoles(gateway, a, ['x'])
    await admin(gateway, 'POST', `/admin/users/${a}/suspend`)
    await setRoles(gateway, b, ['x'])
    await eventually(() => expect(service.names(b)).toEqual(['user-created', 'user-updated']))
    expect(service.names(a)).toEqual(['user-created'])
    stuck = ''
    await eventually(async () => {
      await timePasses(gateway)
      await rested(gateway)
      expect(service.names(a)).toEqual(['user-created', 'user-updated', 'account-disabled', 'session-revoked'])
    })
  })
})

test('a replay tells once more what happened since a time, in order, and is audited', async () => {
  const { gateway, service } = await one()
  const userId = (await gateway.login('lea')).body.data.user_id
  await setRoles(gateway, userId, ['a'])
  await eventually(() => expect(service.heard).toHaveLength(2))
  const from = new Date(Date.now() - 60_000).toISOString()
  const { body } = await admin(gateway, 'POST', '/admin/deliveries/replay', { target: 'orders', from })
  expect(body.data).toEqual({ events: 2 })
  await eventually(() => expect(service.heard).toHaveLength(4))
  expect(service.heard.map(({ jti }) => jti)).toEqual([0, 1, 0, 1].map((n) => service.heard[n]?.jti))
  const audit = await admin(gateway, 'GET', '/admin/audit?kind=events_replayed')
  expect(audit.body.data.items).toMatchObject([{ actor: 'operator:ops', detail: { target: 'orders', from } }])
  const unknown = await admin(gateway, 'POST', '/admin/deliveries/replay', { target: 'nobody', from })
  expect([unknown.status, unknown.body.fields]).toEqual([400, { target: 'is not in EVENT_TARGETS' }])
})

test('the page of deliveries goes on where the last one ended', async () => {
  const { gateway, service } = await one()
  for (let n = 0; n < 3; n += 1) await gateway.login(`page ${n}`)
  await eventually(() => expect(service.heard).toHaveLength(3))
  const first = (await admin(gateway, 'GET', '/admin/deliveries?limit=2')).body.data
  const second = (await admin(gateway, 'GET', `/admin/deliveries?limit=2&cursor=${first.next_cursor}`)).body.data
  expect([first.items.length, second.items.length, second.next_cursor]).toEqual([2, 1, null])
  expect((await admin(gateway, 'GET', '/admin/deliveries?cursor=x')).status).toBe(400)
})
