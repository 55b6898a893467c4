/** Opening data for services, and operators' acts on a session_key, through HTTP on both kinds of stores. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { encryptOpenData } from '../../dev/simulator/wechat-crypto.ts'
import { APPID, type Envelope, startTestGateway, type TestGateway } from '../../dev/testing/test-gateway.ts'

const SERVICE = 'service-service-service-service-service'
const OPERATOR = 'operator-operator-operator-operator'

let gateway: TestGateway
beforeAll(async () => {
  gateway = await startTestGateway({
    environment: { ADMIN_TOKENS: `shop:open-data:${SERVICE},alice:admin:${OPERATOR}` },
  })
})
afterAll(() => gateway.close())

async function internal(path: string, body: unknown, secret?: string) {
  const reply = await gateway.internalApp.request(path, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(secret === undefined ? {} : { authorization: `Bearer ${secret}` }),
    },
    body: JSON.stringify(body),
  })
  return { status: reply.status, headers: reply.headers, body: (await reply.json()) as Envelope }
}
const open = (body: unknown, secret = SERVICE) => internal('/internal/open-data', body, secret)
const userOf = async (person: string): Promise<string> => (await gateway.login(person)).body.data.user_id

describe('open data', () => {
  test('is opened for a service with the kept key, which is in no reply and no log line', async () => {
    const user_id = await userOf('opened')
    const { status, body, headers } = await open({ user_id, appid: APPID, ...pick('opened') })
    expect(status).toBe(200)
    expect(headers.get('cache-control')).toBe('no-store')
    expect(body.data).toMatchObject({
      openId: gateway.simulator.openidOf(APPID, 'opened'),
      watermark: { appid: APPID, timestamp: expect.any(Number) },
    })
    const key = gateway.simulator.sessionKeyOf(APPID, 'opened')
    expect(JSON.stringify(body)).not.toContain(key)
    expect(gateway.logs()).not.toContain(key)
  })

  test('needs a service token with its own scope', async () => {
    const body = { user_id: await userOf('guarded'), appid: APPID, ...pick('guarded') }
    expect((await internal('/internal/open-data', body)).status).toBe(401)
    expect((await open(body, 'x'.repeat(40))).status).toBe(401)
    expect((await open(body, OPERATOR)).status).toBe(403)
    const path = `/admin/users/${body.user_id}/session-key/check`
    expect((await internal(path, { appid: APPID }, SERVICE)).status).toBe(403)
    expect((await gateway.post('/internal/open-data', body, { authorization: `Bearer ${SERVICE}` })).status).toBe(404)
  })

  test('under a newer key than the kept one asks for a login and another tap, and opens after it', async () => {
    const user_id = await userOf('stale')
    gateway.simulator.login(APPID, 'stale')
    const reply = await open({ user_id, appid: APPID, ...pick('stale') })
    expect([reply.status, reply.body.code]).toEqual([409, 'A0240'])
    await gateway.login('stale')
    expect((await open({ user_id, appid: APPID, ...pick('stale') })).status).toBe(200)
  })

  const now = () => Math.floor(Date.now() / 1000)
  type Encrypted = { encryptedData: string; iv: string }
  const cases: [string, string, (person: string) => Encrypted][] = [
    ["another app's data", 'A0340', (person) => pick(person, { watermark: { appid: 'wx0000000000000009' } })],
    ['data from an hour ago', 'A0340', (person) => pick(person, { watermark: { timestamp: now() - 3600 } })],
    ['data from the future', 'A0340', (person) => pick(person, { watermark: { timestamp: now() + 3600 } })],
    ['data without a watermark', 'A0340', (person) => encrypt('{"openId":"x"}', person)],
    ['a watermark without a time', 'A0340', (person) => encrypt(`{"watermark":{"appid":"${APPID}"}}`, person)],
    ["another person's data", 'A0240', () => pick('somebody else')],
    ['text that is no JSON', 'A0240', (person) => encrypt('hello', person)],
    ['JSON that is no object', 'A0240', (person) => encrypt('[1]', person)],
    ['data cut at a block', 'A0240', (person) => cut(pick(person), 16)],
    ['data cut inside a block', 'A0240', (person) => cut(pick(person), 5)],
    ['base64 with spaces for plus', 'A0400', (person) => ({ ...pick(person), encryptedData: 'AAAA AAAA' })],
    ['an iv of eight bytes', 'A0400', (person) => ({ ...pick(person), iv: Buffer.alloc(8).toString('base64') })],
  ]
  test.each(cases)('%s is refused with %s', async (person, code, encrypted) => {
    const user_id = await userOf(person)
    const reply = await open({ user_id, appid: APPID, ...encrypted(person) })
    expect(reply.body.code).toBe(code)
    expect(reply.body.data).toBeNull()
  })

  test('of an unknown user, another app, or a user who is suspended or erased stays closed', async () => {
    const user_id = await userOf('known')
    const encrypted = pick('known')
    expect((await open({ user_id, appid: 'wx0000000000000009', ...encrypted })).body.code).toBe('A0404')
    expect((await open({ user_id: crypto.randomUUID(), appid: APPID, ...encrypted })).body.code).toBe('A0404')
    expect((await open({ user_id: 'me', appid: APPID, ...encrypted })).body.code).toBe('A0400')
    await internal(`/admin/users/${user_id}/suspend`, {}, OPERATOR)
    expect((await open({ user_id, appid: APPID, ...encrypted })).body.code).toBe('A0202')
    const headers = { authorization: `Bearer ${OPERATOR}` }
    await gateway.internalApp.request(`/admin/users/${user_id}`, { method: 'DELETE', headers })
    expect((await open({ user_id, appid: APPID, ...encrypted })).body.code).toBe('A0404')
  })
})

describe("an operator's act on the session_key", () => {
  const act = (userId: string, name: 'check' | 'reset', appid = APPID) =>
    internal(`/admin/users/${userId}/session-key/${name}`, { appid }, OPERATOR)

  test('tells whether the kept key is still the valid one', async () => {
    const userId = await userOf('checked')
    expect((await act(userId, 'check')).body.data).toEqual({ valid: true })
    gateway.simulator.login(APPID, 'checked')
    expect((await act(userId, 'check')).body.data).toEqual({ valid: false })
  })

  test('replaces the key at the platform and here, is audited with who did it, and answers no key', async () => {
    const userId = await userOf('reset')
    const before = gateway.simulator.sessionKeyOf(APPID, 'reset')
    const old = pick('reset')
    const { status, body } = await act(userId, 'reset')
    expect([status, body.data]).toEqual([200, null])
    expect(gateway.simulator.sessionKeyOf(APPID, 'reset')).not.toBe(before)
    expect((await act(userId, 'check')).body.data).toEqual({ valid: true })
    expect((await open({ user_id: userId, appid: APPID, ...pick('reset') })).status).toBe(200)
    expect((await open({ user_id: userId, appid: APPID, ...old })).body.code).toBe('A0240')
    const audited = () =>
      gateway.stores.database.kysely
        .selectFrom('audit_events')
        .select(['actor', 'appid'])
        .where('user_id', '=', userId)
        .where('kind', '=', 'session_key_reset')
        .execute()
    await expect.poll(audited).toEqual([{ actor: 'operator:alice', appid: APPID }])
  })

  test('on a key that the platform replaced, or that is gone, says that only a login helps', async () => {
    const userId = await userOf('gone')
    gateway.simulator.login(APPID, 'gone')
    expect((await act(userId, 'reset')).body.code).toBe('A0240')
    await gateway.stores.cache.delete(`session-key:wechat:${APPID}:${gateway.simulator.openidOf(APPID, 'gone')}`)
    for (const name of ['check', 'reset'] as const) expect((await act(userId, name)).body.code).toBe('A0240')
  })

  test('on somebody unknown is 404', async () => {
    expect((await act(crypto.randomUUID(), 'check')).body.code).toBe('A0404')
    expect((await act(await userOf('elsewhere'), 'check', 'wx0000000000000009')).body.code).toBe('A0404')
  })
})

function pick(person: string, options: Parameters<TestGateway['simulator']['userInfo']>[2] = {}) {
  const { encryptedData, iv } = gateway.simulator.userInfo(APPID, person, options)
  return { encryptedData, iv }
}

const encrypt = (text: string, person: string) => encryptOpenData(text, gateway.simulator.sessionKeyOf(APPID, person))

function cut({ encryptedData, iv }: { encryptedData: string; iv: string }, bytes: number) {
  return { encryptedData: Buffer.from(encryptedData, 'base64').subarray(0, -bytes).toString('base64'), iv }
}
