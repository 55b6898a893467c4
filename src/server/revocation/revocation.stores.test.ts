/** What revocation promises, through HTTP and through the verifier SDK, on the embedded stores and on the real ones. */
import { gunzipSync } from 'node:zlib'
import { getListFromStatusListJWT } from '@sd-jwt/jwt-status-list'
import { createLocalJWKSet, decodeJwt, type JSONWebKeySet, jwtVerify } from 'jose'
import { afterEach, expect, test, vi } from 'vitest'
import { streamOf } from '../../dev/testing/session-stream.ts'
import { APPID, startTestGateway, type TestGateway, type TestGatewayOptions } from '../../dev/testing/test-gateway.ts'
import { createVerifier } from '../../sdk/verifier/verifier.ts'
import { testClock } from '../clock.ts'
import { LIST_BITS } from './status-list.ts'

const ISSUER = 'https://auth.example.com'
const opened: TestGateway[] = []
afterEach(async () => {
  for (const gateway of opened.splice(0).reverse()) await gateway.close()
})

async function start(options?: TestGatewayOptions): Promise<TestGateway> {
  const gateway = await startTestGateway(options)
  opened.push(gateway)
  return gateway
}

type SignedIn = { token: string; refreshToken: string; idx: number; uri: string; sid: string; userId: string }

async function signIn(gateway: TestGateway, person: string): Promise<SignedIn> {
  const { body } = await gateway.login(person)
  const { sid, status } = decodeJwt<{ sid: string; status: { status_list: { idx: number; uri: string } } }>(
    body.data.token,
  )
  return {
    token: body.data.token,
    refreshToken: body.data.refresh_token,
    sid,
    userId: body.data.user_id,
    ...status.status_list,
  }
}

const logOut = (gateway: TestGateway, { refreshToken }: SignedIn) =>
  gateway.post('/api/logout', { refresh_token: refreshToken })

/** The list as a stranger reads it: an independent library decodes what the published keys have signed. */
async function readList(gateway: TestGateway, uri: string) {
  const reply = await gateway.publicApp.request(uri)
  if (reply.status !== 200) throw new Error(`${uri} answered ${reply.status}`)
  const jwt = await reply.text()
  const jwks = (await (await gateway.publicApp.request('/.well-known/jwks.json')).json()) as JSONWebKeySet
  const { payload } = await jwtVerify(jwt, createLocalJWKSet(jwks), {
    typ: 'statuslist+jwt',
    subject: uri,
    currentDate: new Date(Number(decodeJwt(jwt).iat) * 1000),
  })
  return { reply, payload, statuses: getListFromStatusListJWT(jwt) }
}
const statusOf = async (gateway: TestGateway, { uri, idx }: SignedIn) =>
  (await readList(gateway, uri)).statuses.getStatus(idx)

const sql = (gateway: TestGateway, text: string, values: unknown[] = []) =>
  gateway.stores.database.run({ name: '', text }, values)

test('a session that ended is on the lists of this replica at once and of every other within 5 seconds', async () => {
  const gateway = await start()
  const other = await gateway.replica()
  opened.push(other)
  const [ended, living] = [await signIn(gateway, 'leaver'), await signIn(gateway, 'stayer')]
  expect(await statusOf(gateway, ended)).toBe(0)
  await logOut(gateway, ended)
  await vi.waitFor(async () => expect(await statusOf(gateway, ended)).toBe(1), { timeout: 5000, interval: 50 })
  // Twice the promise: other suites share the machine. What it takes is measured and printed by everywhere.stores.test.ts.
  await vi.waitFor(async () => expect(await statusOf(other, ended)).toBe(1), { timeout: 10_000, interval: 50 })
  for (const replica of [gateway, other]) expect(await statusOf(replica, living)).toBe(0)
})

test('a replayed refresh token puts its session on the list', async () => {
  const gateway = await start({ environment: { REFRESH_REUSE_INTERVAL_SECONDS: '0' } })
  const session = await signIn(gateway, 'victim')
  const { body } = await gateway.post('/api/refresh', { refresh_token: session.refreshToken })
  await gateway.post('/api/refresh', { refresh_token: body.data.refresh_token })
  expect((await gateway.post('/api/refresh', { refresh_token: session.refreshToken })).body.code).toBe('A0220')
  await vi.waitFor(async () => expect(await statusOf(gateway, session)).toBe(1), { timeout: 5000, interval: 50 })
})

test('a service with the verifier SDK refuses an ended session within the ttl of the list', async () => {
  const gateway = await start({ environment: { STATUS_LIST_TTL_SECONDS: '1' } })
  const verifier = createVerifier({
    issuer: ISSUER,
    audience: ISSUER,
    onStaleStatus: 'refuse',
    onMissingStatus: 'refuse',
    fetch: async (input, init) => await gateway.publicApp.request(String(input), init),
  })
  await verifier.ready()
  const [ended, living] = [await signIn(gateway, 'refused'), await signIn(gateway, 'accepted')]
  expect((await verifier.verify(ended.token)).sub).toBe(ended.userId)
  await logOut(gateway, ended)
  await vi.waitFor(() => expect(verifier.verify(ended.token)).rejects.toMatchObject({ code: 'session_ended' }), {
    timeout: 6000,
    interval: 50,
  })
  expect((await verifier.verify(living.token)).sid).toBe(living.sid)
  verifier.close()
})

test('a replica that starts knows every session that ended before, however many in one instant', async () => {
  const gateway = await start()
  await sql(
    gateway,
    `insert into sessions (id, user_id, platform, appid, openid, created_at, refreshed_at, last_used_at,
       idle_expires_at, expires_at, status_index, ended_at, end_reason)
     select gen_random_uuid(), gen_random_uuid(), 'wechat', $1, 'o', now(), now(), now(), now() + interval '1 day', now() + interval '1 day',
       n - 1, case when n % 2 = 0 then timestamptz '2026-01-01T00:00:00.123456Z' end, 'logout' from generate_series(1, 9000) n`,
    [APPID],
  )
  const late = await gateway.replica()
  opened.push(late)
  const { statuses } = await readList(late, `${ISSUER}/status-lists/0`)
  const wrong = Array.from({ length: 9000 }, (_, idx) => idx).filter((idx) => statuses.getStatus(idx) !== idx % 2)
  expect(wrong).toEqual([])
})

test('sessions beyond the end of a list go to the next, and a list whose sessions are gone disappears', async () => {
  const clock = testClock(new Date())
  const gateway = await start({ clock })
  await sql(gateway, `select setval('session_status_index', ${LIST_BITS - 1}, false)`)
  const [last, first] = [await signIn(gateway, 'last of list 0'), await signIn(gateway, 'first of list 1')]
  expect([last.uri, first.uri]).toEqual([`${ISSUER}/status-lists/0`, `${ISSUER}/status-lists/1`])
  // Before any poll has seen it, the list of a session opened this instant is there.
  expect(await statusOf(gateway, first)).toBe(0)
  await logOut(gateway, first)
  await vi.waitFor(async () => expect(await statusOf(gateway, first)).toBe(1), { timeout: 5000, interval: 50 })
  expect(await statusOf(gateway, last)).toBe(0)

  await sql(gateway, `select setval('session_status_index', ${3 * LIST_BITS + 100_000}, false)`)
  const later = await signIn(gateway, 'list 3')
  await sql(gateway, 'delete from sessions where status_index < $1', [3 * LIST_BITS])
  clock.advance(61)
  const published = async () => (await gateway.publicApp.request('/status-lists')).json()
  await vi.waitFor(
    async () =>
      expect(await published()).toEqual({ status_lists: [2, 3].map((list) => `${ISSUER}/status-lists/${list}`) }),
    { timeout: 5000, interval: 50 },
  )
  expect((await gateway.publicApp.request(last.uri)).status).toBe(404)
  expect(await statusOf(gateway, later)).toBe(0)
})

test('while PostgreSQL is away the lists are served, and signed anew before they expire', async () => {
  const clock = testClock(new Date())
  const gateway = await start({ clock })
  const session = await signIn(gateway, 'outage')
  await logOut(gateway, session)
  await vi.waitFor(async () => expect(await statusOf(gateway, session)).toBe(1), { timeout: 5000, interval: 50 })
  await gateway.stores.database.close()
  const before = (await readList(gateway, session.uri)).payload
  clock.advance(900)
  await vi.waitFor(
    async () => {
      const { payload, statuses } = await readList(gateway, session.uri)
      expect(payload.iat).toBe(Number(before.iat) + 900)
      expect(Number(payload.exp) * 1000).toBeGreaterThan(clock.now().getTime() + 300_000)
      expect(statuses.getStatus(session.idx)).toBe(1)
    },
    { timeout: 10_000, interval: 100 },
  )
})

test('a list is a signed document with ttl and exp, a type of its own and no audience', async () => {
  const gateway = await start()
  const { reply, payload } = await readList(gateway, `${ISSUER}/status-lists/0`)
  expect(reply.headers.get('content-type')).toBe('application/statuslist+jwt')
  expect(reply.headers.get('cache-control')).toBe('public, max-age=30')
  expect(reply.headers.get('access-control-allow-origin')).toBe('*')
  expect(payload).toMatchObject({
    iss: ISSUER,
    ttl: 30,
    status_list: { bits: 1, aggregation_uri: `${ISSUER}/status-lists` },
  })
  expect(payload.aud).toBeUndefined()
  const life = Number(payload.exp) - Number(payload.iat)
  expect(life).toBeGreaterThan(300)
  expect(life).toBeLessThanOrEqual(600)
  const metadata = await (await gateway.publicApp.request('/.well-known/openid-configuration')).json()
  const aggregation = await gateway.publicApp.request(
    (metadata as Record<string, string>).status_list_aggregation_endpoint ?? '',
  )
  expect(await aggregation.json()).toEqual({ status_lists: [`${ISSUER}/status-lists/0`] })
})

test('gzip, HEAD and conditional requests work on every replica alike; what is not there says so', async () => {
  const gateway = await start()
  const other = await gateway.replica()
  opened.push(other)
  const get = (path: string, headers: Record<string, string> = {}, method = 'GET', replica = gateway) =>
    replica.publicApp.request(path, { method, headers })
  const plain = await get('/status-lists/0')
  const etag = plain.headers.get('etag') ?? ''
  const zipped = await get('/status-lists/0', { 'accept-encoding': 'br, gzip' })
  expect(zipped.headers.get('content-encoding')).toBe('gzip')
  expect(zipped.headers.get('vary')).toBe('Accept-Encoding')
  expect(gunzipSync(Buffer.from(await zipped.arrayBuffer())).toString()).toBe(await plain.text())
  expect((await get('/status-lists/0', { 'accept-encoding': 'gzip;q=0' })).headers.get('content-encoding')).toBeNull()
  const head = await get('/status-lists/0', {}, 'HEAD')
  expect([head.status, head.headers.get('etag'), await head.text()]).toEqual([200, etag, ''])
  for (const replica of [gateway, other]) {
    const unchanged = await get('/status-lists/0', { 'if-none-match': `"other", ${etag}` }, 'GET', replica)
    expect([unchanged.status, await unchanged.text()]).toEqual([304, ''])
  }
  expect((await get('/status-lists/0', { 'if-none-match': 'W/"other"' })).status).toBe(200)
  for (const path of ['/status-lists/7', '/status-lists/00', '/status-lists/-1', '/status-lists/x'])
    expect((await get(path)).status).toBe(404)
  expect((await get('/status-lists/0?time=1')).status).toBe(501)
})

test('every ended session is an entry of the stream, with what a consumer needs to refuse it', async () => {
  const gateway = await start()
  const session = await signIn(gateway, 'streamed')
  const before = Math.floor(Date.now() / 1000)
  await logOut(gateway, session)
  const entry = await vi.waitFor(async () => {
    const found = (await streamOf(gateway)).find((one) => one.sid === session.sid)
    if (!found) throw new Error('not there yet')
    return found
  })
  expect(entry).toEqual({
    sid: session.sid,
    user_id: session.userId,
    reason: 'logout',
    at: expect.any(String),
    exp: String(Number(entry.at) + 900),
  })
  expect(Number(entry.at)).toBeGreaterThanOrEqual(before)
  // Logging out twice ends nothing twice.
  await logOut(gateway, session)
  expect((await streamOf(gateway)).filter((one) => one.sid === session.sid)).toHaveLength(1)
})

test('whatever ended a session, the stream says which and why, once', async () => {
  const service = 'ends-sessions-0123456789-0123456789-012345'
  const gateway = await start({
    environment: {
      ADMIN_TOKENS: `boss:admin+revoke:${service}`,
      SESSION_LIMIT: '1',
      REFRESH_REUSE_INTERVAL_SECONDS: '0',
    },
  })
  const boss = { token: service }
  type End = (session: SignedIn & { person: string }) => Promise<unknown>
  const ends: [string, End][] = [
    ['logout', (session) => logOut(gateway, session)],
    ['logout', ({ token }) => gateway.call('POST', '/api/logout', { token })],
    ['ended_by_user', ({ token }) => gateway.call('DELETE', '/api/sessions?scope=all', { token })],
    ['ended_by_user', ({ token, sid }) => gateway.call('DELETE', `/api/sessions/${sid}`, { token })],
    [
      'replayed',
      async ({ refreshToken }) => {
        await gateway.post('/api/refresh', { refresh_token: refreshToken })
        await gateway.post('/api/refresh', { refresh_token: refreshToken })
      },
    ],
    [
      'revoked',
      async ({ token }) =>
        await gateway.internalApp.request('/oauth2/revoke', {
          method: 'POST',
          headers: { authorization: `Bearer ${service}` },
          body: new URLSearchParams({ token }),
        }),
    ],
    ['limit', ({ person }) => gateway.login(person)],
    ['suspended', ({ userId }) => gateway.internal('POST', `/admin/users/${userId}/suspend`, boss)],
    [
      'ended_by_operator',
      ({ userId, sid }) => gateway.internal('DELETE', `/admin/users/${userId}/sessions/${sid}`, boss),
    ],
    ['ended_by_operator', ({ userId }) => gateway.internal('DELETE', `/admin/users/${userId}/sessions`, boss)],
    ['erased', ({ userId }) => gateway.internal('DELETE', `/admin/users/${userId}`, boss)],
    [
      'erased',
      ({ token, person }) =>
        gateway.call('DELETE', '/api/user', { token, body: { code: gateway.simulator.login(APPID, person) } }),
    ],
  ]
  const ended = await Promise.all(
    ends.map(async ([reason, end], index) => {
      const person = `${reason} ${index}`
      const session = await signIn(gateway, person)
      await end({ ...session, person })
      return { ...session, reason }
    }),
  )
  await vi.waitFor(async () => {
    const told = await streamOf(gateway)
    for (const { sid, userId, reason } of ended)
      expect(told.filter((entry) => entry.sid === sid)).toMatchObject([{ user_id: userId, reason }])
  })
})
