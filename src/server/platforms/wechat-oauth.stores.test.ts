/** WeChat OAuth codes by POST /api/login, on two replicas: joined with the mini program, without a session_key, never a snapshot. */
import { decodeJwt } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { APP_SECRET, APPID, startTestGateway, type TestGateway } from '../../dev/testing/test-gateway.ts'

const SERVICE = 'service-token-of-this-test-0123456789-01'
const PAGE = 'wxpage000000000001'
const WEB = 'wxweb0000000000001'
const NATIVE = 'wxapp0000000000001'
const kinds = { [PAGE]: 'page', [WEB]: 'web', [NATIVE]: 'app' } as const

let gateway: TestGateway
let other: TestGateway
beforeAll(async () => {
  const secret = APP_SECRET
  const shared = Object.entries(kinds).map(([appid, kind]) => ({ appid, secret, kind, openPlatform: 'acme' }))
  gateway = await startTestGateway({
    apps: [{ appid: APPID, secret, openPlatform: 'acme' }, ...shared],
    environment: {
      ADMIN_TOKENS: `svc:open-data+sign+admin:${SERVICE}`,
      APPS: JSON.stringify([
        { appid: APPID, secret, union: 'acme' },
        ...shared.map(({ appid, kind }) => ({ platform: `wechat-${kind}`, appid, secret, union: 'acme' })),
      ]),
    },
  })
  other = await gateway.replica()
})
afterAll(async () => {
  await other.close()
  await gateway.close()
})

const login = (body: object, on = gateway) => on.post('/api/login', body)
const users = async () =>
  (
    await gateway.stores.database.run<{ n: number }>(
      { name: 'users_counted', text: 'select count(*)::int as n from users' },
      [],
    )
  )[0]?.n

describe('a code of WeChat OAuth', () => {
  test.each(Object.keys(kinds))('of %s logs the mini program’s person in, whichever came first', async (appid) => {
    const first = await login({ appid, code: gateway.simulator.oauthCode(appid, `first ${appid}`) })
    expect([first.status, first.body.data.is_new_user, first.body.data.nickname]).toEqual([200, true, `first ${appid}`])
    const program = await other.login(`first ${appid}`, { appid: APPID })
    expect([program.body.data.user_id, program.body.data.is_new_user]).toEqual([first.body.data.user_id, false])
    const known = (await other.login(`second ${appid}`, { appid: APPID })).body.data
    const again = await login({ appid, code: gateway.simulator.oauthCode(appid, `second ${appid}`) }, other)
    expect(again.body.data).toMatchObject({ user_id: known.user_id, is_new_user: false })
    expect(decodeJwt(again.body.data.token)).toMatchObject({ client_id: appid, sub: known.user_id })
  })

  test('is exchanged once, however many present it on two replicas, and is refused afterwards', async () => {
    const code = gateway.simulator.oauthCode(WEB, 'hasty', { scope: 'snsapi_login' })
    const calls = gateway.simulator.calls('/sns/oauth2/access_token')
    const replies = await Promise.all(
      Array.from({ length: 8 }, (_, n) => login({ appid: WEB, code }, n % 2 ? other : gateway)),
    )
    expect(new Set(replies.map(({ body }) => body.data?.refresh_token)).size).toBe(1)
    expect(gateway.simulator.calls('/sns/oauth2/access_token')).toBe(calls + 1)
    const [{ body } = { body: undefined }] = replies
    await gateway.post('/api/refresh', { refresh_token: body?.data.refresh_token })
    expect((await login({ appid: WEB, code })).body.code).toBe('A0223')
  })

  test('of a silent page (snsapi_base) names the person and asks for nothing more', async () => {
    const calls = gateway.simulator.calls('/sns/userinfo')
    const code = gateway.simulator.oauthCode(PAGE, 'silent', { scope: 'snsapi_base' })
    const { body } = await login({ appid: PAGE, code })
    expect([body.code, body.data.nickname]).toEqual(['00000', null])
    expect(gateway.simulator.calls('/sns/userinfo')).toBe(calls)
  })

  test('of the snapshot mode names nobody: A0322 with advice, every time, and nothing is stored', async () => {
    const before = await users()
    const code = gateway.simulator.oauthCode(PAGE, 'snapped', { scope: 'snsapi_userinfo', snapshot: true })
    for (const on of [gateway, other, gateway]) {
      const { status, body } = await on.post('/api/login', { appid: PAGE, code }, { 'accept-language': 'en' })
      expect([status, body.code, body.msg]).toEqual([403, 'A0322', expect.stringContaining('use the full service')])
    }
    expect(await users()).toBe(before)
    expect(await gateway.metrics.registry.metrics()).toMatch(
      /logins_total\{[^}]*platform="wechat-page"[^}]*outcome="platform_snapshot"/,
    )
  })

  test('with user info that is away still logs in where the person is known by then', async () => {
    gateway.simulator.fail({ path: '/sns/userinfo', times: 1, httpStatus: 502 })
    const { body } = await login({ appid: NATIVE, code: gateway.simulator.oauthCode(NATIVE, 'plain') })
    expect([body.code, body.data.nickname]).toEqual(['00000', null])
  })

  test('in the log is nowhere, nor is what it was exchanged for', async () => {
    const code = gateway.simulator.oauthCode(WEB, 'discreet')
    await login({ appid: WEB, code })
    const logs = gateway.logs()
    for (const text of [code, APP_SECRET, gateway.simulator.openidOf(WEB, 'discreet')]) expect(logs).not.toContain(text)
  })
})

test('a program that names no app is the mini program, however many apps of WeChat OAuth stand beside it', async () => {
  const { status, body } = await gateway.post('/api/login', { code: gateway.simulator.login(APPID, 'of old') })
  expect([status, decodeJwt(body.data.token).client_id]).toEqual([200, APPID])
})

test('what needs a session_key is refused by name where there is none', async () => {
  const { token, user_id } = (await login({ appid: WEB, code: gateway.simulator.oauthCode(WEB, 'keyless') })).body.data
  const encrypted = { encryptedData: 'AAAA', iv: `${'A'.repeat(22)}==` }
  const internal = (path: string, body: object) => gateway.internal('POST', path, { body, token: SERVICE })
  const opened = await internal('/internal/open-data', { user_id, appid: WEB, ...encrypted })
  expect([opened.status, Object.keys(opened.body.fields ?? {})]).toEqual([400, ['encryptedData']])
  const phone = await gateway.call('POST', '/api/user/phone', { token, body: encrypted })
  expect([phone.status, Object.keys(phone.body.fields ?? {})]).toEqual([400, ['encryptedData']])
  const signed = await internal('/internal/user-signature', { user_id, appid: WEB, data: '{}' })
  expect([signed.status, Object.keys(signed.body.fields ?? {})]).toEqual([400, ['appid']])
  const signedData = { rawData: '{}', signature: 'x' }
  const code = gateway.simulator.oauthCode(WEB, 'keyless')
  expect((await login({ appid: WEB, code, ...signedData })).body.code).toBe('A0340')
})
