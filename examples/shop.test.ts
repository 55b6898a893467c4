/** The shop of examples/shop, a process of its own: it pays, sends a message and reads a phone number without session_key and AppSecret. */
import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { freePort } from '../src/dev/services/service.ts'
import { APP_SECRET, APPID, startTestGateway, type TestGateway } from '../src/dev/testing/test-gateway.ts'
import { type Listener, listen } from '../src/server/serve/listeners.ts'

const TOKEN = 'token-of-the-shop-0123456789-0123456789'
const HOST = '127.0.0.1'

let gateway: TestGateway
let listeners: Listener[]
let shop: ChildProcess
let url: string

beforeAll(async () => {
  gateway = await startTestGateway({
    environment: { ADMIN_TOKENS: `shop:sign@${APPID}+credential@${APPID}+open-data:${TOKEN}` },
  })
  listeners = await Promise.all(
    [gateway.internalApp, gateway.simulator.app].map((app) => listen(app, { host: HOST, port: 0 })),
  )
  const [internal, wechat] = listeners
  const port = await freePort()
  url = `http://${HOST}:${port}`
  const env = {
    ...{ PATH: process.env.PATH, PORT: String(port), APPID, APP_KEY: '12345', GATEWAY_TOKEN: TOKEN },
    ...{ GATEWAY_INTERNAL: internal?.url, WECHAT_API: wechat?.url },
  }
  expect(JSON.stringify(env)).not.toContain(APP_SECRET)
  shop = spawn(process.execPath, [fileURLToPath(new URL('shop/server.ts', import.meta.url))], { env, stdio: 'inherit' })
  // Any answer will do: it listens.
  for (let tries = 0; tries < 200; tries += 1) {
    if (await fetch(url).catch(() => undefined)) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error('the shop does not listen')
})
afterAll(async () => {
  shop.kill()
  for (const listener of listeners) await listener.close(500)
  await gateway.close()
})

async function ask(path: string, body: object) {
  const reply = await fetch(url + path, { method: 'POST', body: JSON.stringify(body) })
  // biome-ignore lint/suspicious/noExplicitAny: a test reads whatever the reply holds.
  return { status: reply.status, body: (await reply.json()) as any }
}

test('a signed payment is accepted as it came, and a stale session_key is found before the user sees -15005', async () => {
  const { user_id } = (await gateway.login('buyer')).body.data
  const { body: order } = await ask('/pay', { user_id, product: 'tea' })
  expect(gateway.simulator.requestVirtualPayment(APPID, 'buyer', order)).toEqual({ errMsg: 'requestVirtualPayment:ok' })
  const again = { ...order, signData: JSON.stringify(JSON.parse(order.signData), null, 1) }
  expect(gateway.simulator.requestVirtualPayment(APPID, 'buyer', again)).toMatchObject({ errCode: -15006 })
  gateway.simulator.login(APPID, 'buyer')
  expect(gateway.simulator.requestVirtualPayment(APPID, 'buyer', order)).toMatchObject({ errCode: -15005 })
  expect(await ask('/pay', { user_id, product: 'tea' })).toMatchObject({ status: 409, body: { code: 'A0240' } })
})

test('a message is sent with the borrowed credential, and one that ended early is reported and renewed once', async () => {
  await gateway.login('reader')
  const openid = gateway.simulator.openidOf(APPID, 'reader')
  const send = () => ask('/notify', { openid, text: 'ready' })
  expect((await send()).body).toMatchObject({ errcode: 0 })
  const { body } = await gateway.internal('POST', '/internal/platform-credential', {
    body: { appid: APPID },
    token: TOKEN,
  })
  gateway.simulator.revokeCredential(body.data.access_token)
  const replies = await Promise.all([send(), send(), send(), send()])
  expect(replies.map((reply) => reply.body.errcode)).toEqual([0, 0, 0, 0])
  await expect
    .poll(async () => {
      const [row] = await gateway.stores.database.run<{ n: number }>(
        { name: 'renewals', text: "select count(*)::int as n from audit_events where kind = 'credential_renewed'" },
        [],
      )
      return row?.n
    })
    .toBe(1)
})

test('a phone number is read without the key that it is encrypted under', async () => {
  const { user_id } = (await gateway.login('caller')).body.data
  const { status, body } = await ask('/phone', { user_id, ...gateway.simulator.phoneData(APPID, 'caller') })
  expect([status, body.purePhoneNumber]).toEqual([200, expect.stringMatching(/^1\d{10}$/)])
})
