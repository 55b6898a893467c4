/** A code from a log, and a code from before an erasure: neither opens anything (contract 4.2, 4.5). */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { APP_SECRET, APPID, startTestGateway, type TestGateway } from '../../dev/testing/test-gateway.ts'

const OPERATOR = 'operator-operator-operator-operator'
let gateway: TestGateway
let other: TestGateway
beforeAll(async () => {
  gateway = await startTestGateway({
    environment: {
      ADMIN_TOKENS: `boss:admin:${OPERATOR}`,
      APPS: JSON.stringify([
        { appid: APPID, secret: APP_SECRET },
        { appid: 'wx0000000000000002', secret: 'secret-of-the-second-app', union: 'acme' },
      ]),
    },
    apps: [
      { appid: APPID, secret: APP_SECRET },
      { appid: 'wx0000000000000002', secret: 'secret-of-the-second-app', openPlatform: 'acme' },
    ],
  })
  other = await gateway.replica()
})
afterAll(async () => {
  await other.close()
  await gateway.close()
})

const codeOf = (person: string, appid = APPID) => ({ code: gateway.simulator.login(appid, person), appid })
const login = (body: object, on = gateway) => on.post('/api/login', body)
const erase = (id: string) => gateway.internal('DELETE', `/admin/users/${id}`, { token: OPERATOR })

test('while its session is untouched a code answers the same session again, on any replica', async () => {
  const body = codeOf('double tap')
  const first = await login(body)
  const again = await login(body, other)
  expect(again.body.data.refresh_token).toBe(first.body.data.refresh_token)
})

test('once the access token was used here, the code is spent', async () => {
  const body = codeOf('reader')
  const { token } = (await login(body)).body.data
  await other.call('GET', '/api/user', { token })
  const again = await login(body)
  expect([again.status, again.body.code]).toEqual([401, 'A0223'])
})

test('once the refresh token was used, the code is spent, and the attempt is audited', async () => {
  const body = codeOf('refresher')
  const { refresh_token } = (await login(body)).body.data
  expect((await other.post('/api/refresh', { refresh_token })).status).toBe(200)
  expect((await login(body, other)).body.code).toBe('A0223')
  const text =
    "select count(*)::int as attempts from audit_events where kind = 'login_refused' and detail ->> 'reason' = 'A0223'"
  await expect
    .poll(
      async () =>
        (await gateway.stores.database.run<{ attempts: number }>({ name: 'attempts', text }, []))[0]?.attempts,
    )
    .toBeGreaterThan(0)
})

test.each([
  ['an app of its own', APPID],
  ['an app of a union', 'wx0000000000000002'],
])('a code from before the erasure of its user brings nothing back and locks nobody out (%s)', async (_, appid) => {
  const body = codeOf(`erased in ${appid}`, appid)
  const { user_id } = (await login(body)).body.data
  await erase(user_id)
  for (const on of [gateway, other]) {
    const again = await login(body, on)
    expect([again.status, again.body.code]).toEqual([401, 'A0223'])
  }
  const fresh = await login(codeOf(`erased in ${appid}`, appid))
  expect([fresh.status, fresh.body.data.is_new_user]).toEqual([200, true])
  expect(fresh.body.data.user_id).not.toBe(user_id)
})

test('an old code of a known user makes no new account after the erasure', async () => {
  await login(codeOf('known'))
  const body = codeOf('known')
  const { user_id } = (await login(body)).body.data
  await erase(user_id)
  expect((await login(body)).body.code).toBe('A0223')
  const text = 'select count(*)::int as identities from platform_identities where openid = $1'
  const openid = gateway.simulator.openidOf(APPID, 'known')
  const [row] = await gateway.stores.database.run<{ identities: number }>({ name: 'identities_of', text }, [openid])
  expect(row?.identities).toBe(0)
})

test('a token has one spelling', async () => {
  const { token } = (await login(codeOf('speller'))).body.data
  const last = token.at(-1) ?? ''
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  const spare = token.slice(0, -1) + alphabet[alphabet.indexOf(last) ^ 1]
  for (const odd of [`${token}=`, `${token}==`, spare])
    expect((await gateway.call('GET', '/api/user', { token: odd })).body.code).toBe('A0230')
})

test('/verify answers the roles of this moment, and refuses another audience or a missing role', async () => {
  const { token, user_id } = (await login(codeOf('editor'))).body.data
  const verify = (query = '') =>
    gateway.internalApp.request(`/verify${query}`, { headers: { authorization: `Bearer ${token}` } })
  const roles = (list: string[]) =>
    gateway.internal('PUT', `/admin/users/${user_id}/roles`, { body: { roles: list }, token: OPERATOR })
  await roles(['editor'])
  expect((await verify()).headers.get('x-auth-roles')).toBe('editor')
  expect((await verify('?role=editor')).status).toBe(200)
  expect((await verify('?role=admin')).status).toBe(401)
  expect((await verify('?audience=https%3A%2F%2Fauth.example.com')).status).toBe(200)
  expect((await verify('?audience=shop')).status).toBe(401)
  await roles([])
  expect((await verify()).headers.get('x-auth-roles')).toBe('')
})
