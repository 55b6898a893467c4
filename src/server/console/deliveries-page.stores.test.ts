/** The deliveries page: a dead letter is tried again and a time replayed, by the same acts as through the API. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { browserOn } from '../../dev/testing/console-client.ts'
import { BOSS, consoleTokens, READER } from '../../dev/testing/console-tokens.ts'
import { startTestGateway, type TestGateway } from '../../dev/testing/test-gateway.ts'

const SERVICE = 'events-of-orders-0123456789-0123456789-01'
let gateway: TestGateway

beforeAll(async () => {
  gateway = await startTestGateway({
    environment: {
      ADMIN_TOKENS: `${consoleTokens},files:events@orders:${SERVICE}`,
      EVENT_TARGETS: '[{"id":"orders","audience":"orders"}]',
    },
  })
})
afterAll(() => gateway.close())

async function poll(body: object = {}): Promise<string[]> {
  const reply = await gateway.internal('POST', '/internal/events/orders/poll', {
    token: SERVICE,
    body: { returnImmediately: true, ...body },
  })
  return Object.keys((reply.body as unknown as { sets: object }).sets)
}
const stateOf = async (id: string) => {
  const { items } = (await gateway.internal('GET', '/admin/deliveries', { token: BOSS })).body.data
  return items.find((one: { event_id: string }) => one.event_id === id)?.state
}
const audited = async (kind: string) =>
  (await gateway.internal('GET', `/admin/audit?kind=${kind}`, { token: BOSS })).body.data.items

test('a dead letter is shown with its error, tried again, and both acts name the operator', async () => {
  await gateway.login('somebody')
  const [id = ''] = await poll()
  await poll({ setErrs: { [id]: { err: 'invalid_audience' } } })
  expect(await stateOf(id)).toBe('dead')

  const browser = browserOn(gateway)
  await browser.signIn(BOSS)
  expect((await browser.get('/deliveries?target=orders&state=dead')).text).toContain('invalid_audience')
  const act = async (path: string, form: Record<string, string>) =>
    browser.post(`/deliveries/${path}`, { csrf: await browser.csrf(), ...form })
  expect((await act('retry', { target: 'orders', event_id: id })).status).toBe(303)
  expect(await stateOf(id)).toBe('pending')
  expect(await audited('delivery_retried')).toMatchObject([{ actor: 'operator:boss' }])

  await poll({ ack: [id] })
  expect(await stateOf(id)).toBe('delivered')
  expect((await act('replay', { replay_target: 'orders', from: 'yesterday' })).status).toBe(400)
  expect(await stateOf(id)).toBe('delivered')
  expect((await act('replay', { replay_target: 'orders', from: '2026-01-01T00:00' })).status).toBe(303)
  expect(await stateOf(id)).toBe('pending')
  expect(await audited('events_replayed')).toMatchObject([{ actor: 'operator:boss' }])
})

test('who may only read is shown no act, and may do none', async () => {
  const [id = ''] = await poll()
  await poll({ setErrs: { [id]: { err: 'invalid_request' } } })
  const browser = browserOn(gateway)
  await browser.signIn(READER)
  expect((await browser.get('/deliveries')).text).not.toContain('/deliveries/retry')
  const sent = { csrf: await browser.csrf(), target: 'orders', event_id: id }
  expect((await browser.post('/deliveries/retry', sent)).status).toBe(403)
  expect(await stateOf(id)).toBe('dead')
})
