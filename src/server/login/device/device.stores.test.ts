/** Scan to log in (RFC 8628) and prefetch, through HTTP on two replicas. */
import { decodeJwt } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { APPID, startTestGateway, type TestGateway } from '../../../dev/testing/test-gateway.ts'
import { testClock } from '../../clock.ts'
import { DEVICE_GRANT } from './routes.ts'

const clock = testClock(new Date())
let gateway: TestGateway
let other: TestGateway
const replicas: TestGateway[] = []
let token: string
let user_id: string
beforeAll(async () => {
  const CLIENTS =
    '[{"id":"pc","name":"Back office","kind":"device","audience":["office"]},{"id":"h5","name":"H5","kind":"web"}]'
  gateway = await startTestGateway({ clock, environment: { CLIENTS } })
  other = await gateway.replica()
  ;({ token, user_id } = (await gateway.login('worker')).body.data)
})
afterAll(async () => {
  for (const replica of [...replicas, other]) await replica.close()
  await gateway.close()
})

async function form(path: string, fields: Record<string, string>, on = gateway) {
  const reply = await on.publicApp.request(path, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded', 'user-agent': 'Test browser' },
    body: new URLSearchParams(fields).toString(),
  })
  return { status: reply.status, headers: reply.headers, body: (await reply.json()) as Record<string, string & number> }
}
const ask = async () => (await form('/oauth2/device_authorization', { client_id: 'pc' })).body
const poll = (device_code: string, on = gateway, client_id = 'pc') =>
  form('/oauth2/token', { grant_type: DEVICE_GRANT, client_id, device_code }, on)
const decide = (user_code: string, approve = true, on = gateway, as = token) =>
  on.call('POST', '/api/device', { body: { user_code, approve }, token: as })

describe('scan to log in', () => {
  test('a device that is confirmed gets tokens of its own client, once, on whichever replica it polls', async () => {
    const asked = await ask()
    expect(asked).toMatchObject({
      user_code: expect.stringMatching(/^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$/),
      verification_uri: 'https://auth.example.com/device',
      interval: 5,
      expires_in: 600,
    })
    const { device_code = '', user_code = '' } = asked
    expect((await poll(device_code)).body.error).toBe('authorization_pending')
    const shown = await other.call('GET', `/api/device?user_code=${user_code.toLowerCase()}`, { token })
    expect(shown.body.data).toMatchObject({ client_id: 'pc', client_name: 'Back office', user_agent: 'Test browser' })
    expect((await decide(user_code, true, other)).status).toBe(200)
    expect((await decide(user_code, true)).status).toBe(200)
    clock.advance(6)
    const replies = await Promise.all([poll(device_code), poll(device_code, other), poll(device_code)])
    const granted = replies.filter(({ status }) => status === 200)
    expect(granted).toHaveLength(1)
    for (const { status, body } of replies) if (status !== 200) expect(body.error).toBe('invalid_grant')
    const [first] = granted
    if (!first) throw new Error('unreachable')
    const { body, headers } = first
    expect(headers.get('cache-control')).toBe('no-store')
    expect(decodeJwt(String(body.access_token))).toMatchObject({ sub: user_id, aud: 'office', client_id: 'pc' })
    const renewed = await form('/oauth2/token', {
      grant_type: 'refresh_token',
      client_id: 'pc',
      refresh_token: String(body.refresh_token),
    })
    expect(renewed.body).toMatchObject({ token_type: 'Bearer', access_token: expect.any(String) })
    const stolen = await form('/oauth2/token', {
      grant_type: 'refresh_token',
      client_id: 'nobody',
      refresh_token: String(renewed.body.refresh_token),
    })
    expect([stolen.status, stolen.body.error]).toEqual([401, 'invalid_client'])
    expect((await poll(device_code)).body.error).toBe('invalid_grant')
  })

  test('a device that polls too fast is told to slow down, and its interval grows', async () => {
    const { device_code = '' } = await ask()
    expect((await poll(device_code)).body.error).toBe('authorization_pending')
    expect((await poll(device_code, other)).body.error).toBe('slow_down')
    clock.advance(6)
    expect((await poll(device_code)).body.error).toBe('slow_down')
    clock.advance(16)
    expect((await poll(device_code)).body.error).toBe('authorization_pending')
  })

  test('refused: access_denied; decided twice otherwise: not there; expired: expired_token', async () => {
    const refused = await ask()
    expect((await decide(refused.user_code ?? '', false)).status).toBe(200)
    expect((await poll(refused.device_code ?? '')).body.error).toBe('access_denied')
    expect((await decide(refused.user_code ?? '', true)).status).toBe(404)
    const second = (await gateway.login('stranger')).body.data.token
    const taken = await ask()
    await decide(taken.user_code ?? '', true)
    expect((await decide(taken.user_code ?? '', true, other, second)).status).toBe(404)
    const late = await ask()
    clock.advance(601)
    expect((await poll(late.device_code ?? '')).body.error).toBe('expired_token')
    expect((await decide(late.user_code ?? '')).status).toBe(404)
  })

  test('an unknown client, a client that is no device, another grant, a made-up code: RFC 6749 errors', async () => {
    expect((await form('/oauth2/device_authorization', { client_id: 'nobody' })).body.error).toBe('invalid_client')
    expect((await form('/oauth2/device_authorization', { client_id: 'h5' })).body.error).toBe('unauthorized_client')
    expect((await form('/oauth2/device_authorization', {})).body.error).toBe('invalid_request')
    const password = await form('/oauth2/token', { grant_type: 'password', client_id: 'pc' })
    expect([password.status, password.body.error]).toEqual([400, 'unsupported_grant_type'])
    expect((await poll('d1.made-up')).body.error).toBe('invalid_grant')
    expect((await gateway.call('POST', '/api/device', { body: { user_code: 'BCDFGHJK', approve: true } })).status).toBe(
      401,
    )
    const junk = await gateway.call('GET', '/api/device?user_code=BCDF-GHJK', { token })
    expect([junk.status, junk.body.code]).toEqual([404, 'A0404'])
  })

  test('a user who was suspended meanwhile gets nothing', async () => {
    const { body } = await gateway.login('suspended')
    const { device_code = '', user_code = '' } = await ask()
    await decide(user_code, true, gateway, body.data.token)
    await gateway.stores.database.run(
      { name: 'suspend_one', text: "update users set status = 'suspended' where id = $1" },
      [body.data.user_id],
    )
    expect((await poll(device_code)).body.error).toBe('access_denied')
  })

  test('the picture is the mini-program code with the user code as scene, and the page shows the code', async () => {
    const { qr_code_uri = '', verification_uri_complete = '' } = await ask()
    const picture = await other.publicApp.request(new URL(qr_code_uri).pathname)
    expect([picture.status, picture.headers.get('content-type')]).toEqual([200, 'image/png'])
    expect(
      Buffer.from(await picture.arrayBuffer())
        .subarray(1, 4)
        .toString(),
    ).toBe('PNG')
    expect((await gateway.publicApp.request(`/oauth2/device/${'A'.repeat(43)}.png`)).status).toBe(404)
    const { pathname, search } = new URL(verification_uri_complete)
    const page = await gateway.publicApp.request(pathname + search)
    const html = await page.text()
    expect(html).toContain(search.slice(-9))
    expect(html).toContain(`<img src="${qr_code_uri}"`)
    const unknown = await gateway.publicApp.request('/device?user_code=BCDF-GHJK')
    expect(await unknown.text()).not.toContain('<img')
    const injected = await gateway.publicApp.request('/device?user_code=%3Cscript%3Ex')
    expect(await injected.text()).not.toContain('<script')
  })

  test('the metadata names the endpoints where a device is configured, and there alone', async () => {
    const metadataOf = async (on: TestGateway) =>
      (await (await on.publicApp.request('/.well-known/oauth-authorization-server')).json()) as object
    expect(await metadataOf(gateway)).toMatchObject({
      device_authorization_endpoint: 'https://auth.example.com/oauth2/device_authorization',
      token_endpoint: 'https://auth.example.com/oauth2/token',
      grant_types_supported: [DEVICE_GRANT, 'refresh_token'],
    })
    const plain = await gateway.replica({ CLIENTS: '[{"id":"h5","name":"H5","kind":"web"}]' })
    expect(await metadataOf(plain)).not.toHaveProperty('token_endpoint')
    const off = await plain.publicApp.request('/oauth2/token', { method: 'POST' })
    expect(off.status).toBe(404)
    replicas.push(plain)
  })
})

describe('prefetch', () => {
  const prefetch = (query: string, on = gateway) => on.call('GET', `/api/prefetch?${query}`)

  test('answers a login by the code in the query, stamped with the time, and the same to a lost reply', async () => {
    const code = gateway.simulator.login(APPID, 'early bird')
    const query = `appid=${APPID}&timestamp=1&path=pages%2Findex&query=&scene=1001&code=${code}`
    const first = await prefetch(query)
    expect([first.status, first.headers.get('cache-control')]).toEqual([200, 'no-store'])
    expect(first.body.data.at).toBe(Math.floor(clock.now().getTime() / 1000))
    expect((await gateway.call('GET', '/api/user', { token: first.body.data.token })).status).toBe(200)
    expect(gateway.logs() + other.logs()).not.toContain(code)
  })

  test('without a code, or with one that the platform refuses: a clear refusal', async () => {
    expect((await prefetch('appid=x&token=abc')).body.fields).toHaveProperty('code')
    expect((await prefetch('code=made-up')).body.code).toBe('A0223')
  })
})
