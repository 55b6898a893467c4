/** Events by poll, and erasures with acknowledgements, on the embedded stores and on the real ones. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { png, signIn, upload } from '../../dev/testing/avatar.ts'
import { createEventService, type EventService } from '../../dev/testing/event-service.ts'
import { APPID, startTestGateway, type TestGateway } from '../../dev/testing/test-gateway.ts'

const OPERATOR = 'operator-token-0123456789-0123456789-0123'
const ORDERS = 'orders-token-0123456789-0123456789-012345'
const BOTH = 'both-targets-0123456789-0123456789-012345'
const opened: { close(): unknown }[] = []
afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close()
})

type House = { gateway: TestGateway; pushed: EventService; reader: EventService }

/** `orders` polls, `mail` is pushed to; both must acknowledge erasures. */
async function open(environment: Record<string, string> = {}): Promise<House> {
  const [pushed, reader] = [createEventService(), createEventService()]
  const gateway = await startTestGateway({
    environment: {
      EVENT_TARGETS: JSON.stringify([
        { id: 'orders', audience: 'orders', acknowledges: ['erasure'] },
        { id: 'mail', audience: 'orders', url: 'http://mail/events', acknowledges: ['erasure'] },
      ]),
      ADMIN_TOKENS: `ops:admin:${OPERATOR},orders:events@orders:${ORDERS},both:events:${BOTH}`,
      ...environment,
    },
    sendElsewhere: pushed.send,
  })
  opened.push(gateway, pushed, reader)
  pushed.trust(gateway)
  reader.trust(gateway)
  return { gateway, pushed, reader }
}

type Polled = { status: number; sets: Record<string, string>; moreAvailable?: boolean }
async function poll(
  gateway: TestGateway,
  body: Record<string, unknown> = {},
  { token = ORDERS, target = 'orders' } = {},
): Promise<Polled> {
  const reply = await gateway.internalApp.request(`/internal/events/${target}/poll`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ returnImmediately: true, ...body }),
  })
  return { status: reply.status, ...((await reply.json()) as Omit<Polled, 'status'>) }
}
const namesOf = async (reader: EventService, { sets }: Polled) =>
  await Promise.all(Object.values(sets).map(async (jwt) => (await reader.readEvent(jwt)).name))
const setRoles = (gateway: TestGateway, userId: string, roles: string[]) =>
  gateway.internal('PUT', `/admin/users/${userId}/roles`, { token: OPERATOR, body: { roles } })
const receipt = async (gateway: TestGateway, id: string) => (await gateway.call('GET', `/api/erasures/${id}`)).body.data
const done = (gateway: TestGateway, id: string, options: Parameters<TestGateway['internal']>[2]) =>
  gateway.internal('POST', `/internal/erasures/${id}/done`, options)

describe('a target that polls', () => {
  test('gets what it has not acknowledged again, and the events of a user one after the other', async () => {
    const { gateway, reader } = await open()
    const userId = (await gateway.login('ann')).body.data.user_id
    await gateway.login('ben')
    await setRoles(gateway, userId, ['a'])
    const first = await poll(gateway)
    expect(await namesOf(reader, first)).toEqual(['user-created', 'user-created'])
    expect(Object.keys((await poll(gateway)).sets)).toEqual(Object.keys(first.sets))
    const second = await poll(gateway, { ack: Object.keys(first.sets) })
    expect(await namesOf(reader, second)).toEqual(['user-updated'])
    expect(await poll(gateway, { ack: Object.keys(second.sets), maxEvents: 0 })).toEqual({ status: 200, sets: {} })
    expect((await poll(gateway)).sets).toEqual({})
  })

  test('says that there is more, and what it reports as an error is a dead letter', async () => {
    const { gateway } = await open()
    for (const who of ['a', 'b', 'c']) await gateway.login(who)
    const page = await poll(gateway, { maxEvents: 2 })
    expect([Object.keys(page.sets).length, page.moreAvailable]).toEqual([2, true])
    const [jti = ''] = Object.keys(page.sets)
    await poll(gateway, { maxEvents: 0, setErrs: { [jti]: { err: 'invalid_request', description: 'what is this' } } })
    const dead = await gateway.internal('GET', '/admin/deliveries?state=dead&target=orders', { token: OPERATOR })
    expect(dead.body.data.items).toMatchObject([{ event_id: jti, last_error: 'invalid_request' }])
  })

  test('waits for an event when it may, and is answered as soon as there is one, or when the gateway drains', async () => {
    const { gateway, reader } = await open()
    const waiting = poll(gateway, { returnImmediately: false })
    await gateway.login('late')
    expect(await namesOf(reader, await waiting)).toEqual(['user-created'])
    await poll(gateway, { ack: Object.keys((await poll(gateway)).sets), maxEvents: 0 })
    const stuck = poll(gateway, { returnImmediately: false })
    gateway.drain()
    expect((await stuck).sets).toEqual({})
  })

  test.each<[string, { token?: string; target?: string }, number]>([
    ['without a token', { token: 'x' }, 401],
    ['of another scope', { token: OPERATOR }, 403],
    ['narrowed to another target', { target: 'mail' }, 404],
    ['for a target that is pushed to', { token: BOTH, target: 'mail' }, 404],
    ['for a target that is not there', { token: BOTH, target: 'nobody' }, 404],
  ])('is refused %s', async (_what, how, status) => {
    const { gateway } = await open()
    expect((await poll(gateway, {}, how)).status).toBe(status)
  })
})

describe('an erasure', () => {
  async function erase(gateway: TestGateway): Promise<string> {
    const { token } = (await gateway.login('zoe')).body.data
    const code = gateway.simulator.login(APPID, 'zoe')
    return (await gateway.call('DELETE', '/api/user', { token, body: { code } })).body.data.receipt_id
  }
  const statesOf = async (gateway: TestGateway, id: string) =>
    Object.fromEntries(
      (await receipt(gateway, id)).parts.map((part: { part: string; name: string | null; state: string }) => [
        part.name ?? part.part,
        part.state,
      ]),
    )

  test('is done when each service has said so: one by its reply to the push, one by confirming later', async () => {
    const { gateway, pushed } = await open()
    pushed.answer(({ name }) => ({ status: 200, text: JSON.stringify({ done: name === 'account-purged' }) }))
    const id = await erase(gateway)
    await vi.waitFor(
      async () =>
        expect(await statesOf(gateway, id)).toEqual({
          gateway: 'done',
          picture: 'done',
          mail: 'done',
          orders: 'pending',
        }),
      { timeout: 10_000 },
    )
    expect((await receipt(gateway, id)).done).toBe(false)
    const confirmed = (await done(gateway, id, { token: ORDERS })).body.data
    expect(confirmed).toMatchObject({ erasure_id: id, target: 'orders' })
    expect((await receipt(gateway, id)).done).toBe(true)
    // Once more changes nothing.
    expect((await done(gateway, id, { token: ORDERS })).body.data).toEqual(confirmed)
  })

  test('says of the picture that it is pending until it is deleted, whoever deletes it', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'erasure-'))
    opened.push({ close: () => rm(folder, { recursive: true }) })
    const { gateway } = await open({ AVATAR_STORE: pathToFileURL(folder).href })
    const paint = async (person: string) => {
      const { token, userId } = await signIn(gateway, person)
      const url = (await upload(gateway, token, await png())).body.data.avatar as string
      return { userId, url }
    }
    const { userId } = await paint('painter')
    const erased = await gateway.internal('DELETE', `/admin/users/${userId}`, { token: OPERATOR })
    expect(await statesOf(gateway, erased.body.data.receipt_id)).toMatchObject({ picture: 'done' })
    // By hand: no process deletes the picture at once.
    const other = await paint('by hand')
    const { run } = gateway.stores.database
    await run({ name: '', text: `update users set status = 'erased', avatar = null where id = $1` }, [other.userId])
    const [row] = await run<{ id: string }>({ name: '', text: 'select id from erasures where user_id = $1' }, [
      other.userId,
    ])
    expect(await statesOf(gateway, row?.id ?? '')).toMatchObject({ picture: 'pending' })
    await run({ name: '', text: 'delete from discarded_pictures where url = $1' }, [other.url])
    expect(await statesOf(gateway, row?.id ?? '')).toMatchObject({ picture: 'done' })
    expect(await run({ name: '', text: 'select picture from erasures where picture is not null' }, [])).toEqual([])
  })

  test('taken is not done: a 202, or an acknowledged poll, confirms nothing', async () => {
    const { gateway, pushed, reader } = await open()
    const id = await erase(gateway)
    for (let n = 0; n < 3; n += 1) await poll(gateway, { ack: Object.keys((await poll(gateway)).sets) })
    await vi.waitFor(() => expect(pushed.names()).toContain('account-purged'), { timeout: 10_000 })
    expect(await statesOf(gateway, id)).toMatchObject({ mail: 'pending', orders: 'pending' })
    expect(reader).toBeDefined()
  })

  test('its receipt holds nothing personal, is found by nobody who guesses, and an operator gets one too', async () => {
    const { gateway } = await open()
    const { user_id } = (await gateway.login('yan')).body.data
    const erased = await gateway.internal('DELETE', `/admin/users/${user_id}`, { token: OPERATOR })
    const told = await receipt(gateway, erased.body.data.receipt_id)
    expect(JSON.stringify(told)).not.toContain(user_id)
    expect(Object.keys(told).sort()).toEqual(['done', 'erased_at', 'parts', 'receipt_id'])
    expect((await gateway.call('GET', `/api/erasures/${crypto.randomUUID()}`)).status).toBe(404)
    expect((await gateway.call('GET', '/api/erasures/not-a-receipt')).body.fields).toHaveProperty('receipt')
  })

  test('is confirmed only by who may, for a target that has it to confirm', async () => {
    const { gateway } = await open()
    const id = await erase(gateway)
    expect((await done(gateway, id, { token: BOTH })).body.fields).toEqual({
      target: 'is required: the token is for several targets',
    })
    expect((await done(gateway, id, { token: ORDERS, body: { target: 'mail' } })).status).toBe(403)
    expect((await done(gateway, id, { token: BOTH, body: { target: 'nobody' } })).status).toBe(404)
    expect((await done(gateway, crypto.randomUUID(), { token: ORDERS })).status).toBe(404)
    expect((await done(gateway, id, { token: BOTH, body: { target: 'mail' } })).body.data.target).toBe('mail')
  })

  test('that is late raises an alert which names the parts, and questions are limited by address', async () => {
    const { gateway } = await open({ RATE_LIMIT: 'on', RATE_LIMIT_RECEIPTS_PER_ADDRESS: '2/60' })
    const id = await erase(gateway)
    await gateway.stores.database.run({ name: '', text: `update erasures set at = at - interval '25 hours'` }, [])
    const { createErasureStore } = await import('../personal-data/erasure-store.ts')
    const store = createErasureStore(gateway.stores.database)
    expect(await store.overdue(24)).toEqual({ count: 1, parts: ['mail', 'orders'] })
    expect(await store.overdue(48)).toEqual({ count: 0, parts: [] })
    for (let n = 0; n < 2; n += 1) await gateway.call('GET', `/api/erasures/${id}`)
    expect((await gateway.call('GET', `/api/erasures/${id}`)).body.code).toBe('A0501')
  })
})
