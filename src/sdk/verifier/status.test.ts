/** How an ended session becomes known to a verifier, and that nothing makes it forgotten. */

import { createHeaderAndPayload, StatusList } from '@sd-jwt/jwt-status-list'
import { SignJWT } from 'jose'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { AUDIENCE, advance, createTestIssuer, type TestIssuer, until } from '../../dev/testing/verifier.ts'
import { createVerifier, type Verifier, type VerifierFailure, type VerifierOptions } from './verifier.ts'

const LIST = '/status-lists/1'
let gateway: TestIssuer
let failures: VerifierFailure[]
const made: Verifier[] = []

beforeEach(async () => {
  vi.useFakeTimers({
    toFake: ['setTimeout', 'clearTimeout', 'Date', 'performance'],
    now: new Date('2026-01-01T00:00:00Z'),
  })
  gateway = await createTestIssuer()
  failures = []
})

afterEach(() => {
  for (const verifier of made.splice(0)) verifier.close()
  vi.useRealTimers()
})

async function start(options: Partial<VerifierOptions> = {}): Promise<Verifier> {
  const verifier = createVerifier({
    issuer: gateway.issuer,
    audience: AUDIENCE,
    fetch: gateway.fetch,
    onFailure: (failure) => failures.push(failure),
    ...options,
  })
  made.push(verifier)
  await verifier.ready()
  return verifier
}

const accepted = { sub: 'user-1' }
const refused = (code: string) => expect.objectContaining({ code })
const list = (verifier: Verifier) => verifier.state().statusLists[0]

test('an ended session is refused after one ttl, with no call on the request path', async () => {
  const verifier = await start()
  const token = await gateway.token({ index: 7 })
  const neighbour = await gateway.token({ index: 8 })
  await expect(verifier.verify(token)).resolves.toMatchObject(accepted)
  gateway.ended.add(7)
  await advance(30)
  const before = gateway.requests.length
  await expect(verifier.verify(token)).rejects.toMatchObject({ code: 'session_ended', status: 401 })
  await expect(verifier.verify(neighbour)).resolves.toMatchObject(accepted)
  expect(gateway.requests).toHaveLength(before)
})

test('with the gateway down ended sessions stay refused and live ones accepted', async () => {
  gateway.ended.add(7)
  const verifier = await start()
  gateway.setDown(true)
  await advance(3_000)
  await expect(verifier.verify(await gateway.token({ index: 7 }))).rejects.toEqual(refused('session_ended'))
  await expect(verifier.verify(await gateway.token({ index: 8 }))).resolves.toMatchObject(accepted)
})

test('a service that fails closed refuses all once the list has expired, and recovers by itself', async () => {
  const verifier = await start({ onStaleStatus: 'refuse' })
  gateway.setDown(true)
  await advance(604)
  await expect(verifier.verify(await gateway.token())).resolves.toMatchObject(accepted)
  await advance(1)
  await expect(verifier.verify(await gateway.token())).rejects.toMatchObject({
    code: 'status_unavailable',
    status: 503,
  })
  expect(list(verifier)).toMatchObject({ expired: true, failing: true })
  gateway.setDown(false)
  await advance(30)
  expect(list(verifier)?.failing).toBe(false)
  await expect(verifier.verify(await gateway.token())).resolves.toMatchObject(accepted)
})

test('an older list, from a slow replica or a cache, brings no session back', async () => {
  const verifier = await start()
  const older = await gateway.statusList()
  gateway.ended.add(7)
  await advance(30)
  gateway.overrides.set(LIST, () => new Response(older))
  await advance(30)
  expect(gateway.asked(LIST)).toBe(3)
  expect(list(verifier)).toMatchObject({ ageSeconds: 30, confirmedSeconds: 0, failing: false })
  await expect(verifier.verify(await gateway.token({ index: 7 }))).rejects.toEqual(refused('session_ended'))
})

test('a newer list without the bit brings no session back either', async () => {
  gateway.ended.add(7)
  const verifier = await start()
  gateway.ended.delete(7)
  gateway.ended.add(8)
  await advance(30)
  await expect(verifier.verify(await gateway.token({ index: 7 }))).rejects.toEqual(refused('session_ended'))
  await expect(verifier.verify(await gateway.token({ index: 8 }))).rejects.toEqual(refused('session_ended'))
})

test('a 304 keeps the list, and renews nothing past its exp', async () => {
  const verifier = await start({ onStaleStatus: 'refuse' })
  gateway.setUnchanged(true)
  for (let polls = 1; polls < 19; polls += 1) await advance(30)
  expect(list(verifier)?.ageSeconds).toBe(540)
  await advance(30) // At 570 s the list would not last until the next poll: it is asked for without its ETag.
  expect(list(verifier)?.ageSeconds).toBe(0)
  expect(failures).toEqual([])
})

test('a list met for the first time is waited for, once for all requests', async () => {
  const uri = `${gateway.issuer}/status-lists/2`
  const verifier = await start()
  gateway.overrides.set(
    '/status-lists/2',
    async () => new Response(await gateway.statusList({ claims: { sub: uri }, bytes: new Uint8Array([0b10]) })),
  )
  const token = (idx: number) => gateway.token({ claims: { status: { status_list: { idx, uri } } } })
  const [live, ended] = [await token(0), await token(1)]
  await Promise.all(Array.from({ length: 20 }, () => verifier.verify(live)))
  await expect(verifier.verify(ended)).rejects.toEqual(refused('session_ended'))
  expect(gateway.asked('/status-lists/2')).toBe(1)
})

describe('a list that cannot be had', () => {
  const uri = 'https://auth.example.com/status-lists/9'
  const claims = { status: { status_list: { idx: 0, uri } } }

  test('is waited for no longer than waitMs', async () => {
    const verifier = await start({ waitMs: 1500 })
    gateway.overrides.set('/status-lists/9', () => new Promise<Response>(() => {}))
    const outcome = verifier.verify(await gateway.token({ claims }))
    await until(() => gateway.asked('/status-lists/9') === 1)
    await vi.advanceTimersByTimeAsync(1500)
    await expect(outcome).resolves.toMatchObject(accepted)
  })

  test('costs one fetch, not one for every request', async () => {
    const verifier = await start()
    for (let i = 0; i < 50; i += 1) await verifier.verify(await gateway.token({ claims }))
    expect(gateway.asked('/status-lists/9')).toBe(1)
    expect(failures).toMatchObject([{ part: 'status', url: uri }])
  })

  test('means a refusal where the service fails closed', async () => {
    const verifier = await start({ onStaleStatus: 'refuse' })
    await expect(verifier.verify(await gateway.token({ claims }))).rejects.toEqual(refused('status_unavailable'))
  })
})

test.each([
  'https://evil.example.com/status-lists/1',
  'https://auth.example.com.evil.example/status-lists/1',
  'https://auth.example.com@evil.example/status-lists/1',
  'http://169.254.169.254/latest/meta-data',
  'not a url',
])('a list outside the issuer is never asked, and its token refused: %s', async (uri) => {
  const verifier = await start()
  const before = gateway.requests.length
  const token = await gateway.token({ claims: { status: { status_list: { idx: 0, uri } } } })
  await expect(verifier.verify(token)).rejects.toEqual(refused('claim_invalid'))
  expect(gateway.requests).toHaveLength(before)
})

describe('not believed is', () => {
  const expired = () => ({ exp: Math.floor(Date.now() / 1000) - 10 })
  const impostor = async () => (await createTestIssuer()).statusList({ bytes: new Uint8Array(128).fill(255) })
  test.each<[string, () => Promise<string>]>([
    ['a list of another uri', () => gateway.statusList({ claims: { sub: `${gateway.issuer}/status-lists/2` } })],
    ['a list of no uri', () => gateway.statusList({ claims: { sub: undefined } })],
    ['a list of another typ', () => gateway.statusList({ header: { typ: 'JWT' } })],
    ['a list signed by another', impostor],
    ['an expired list', () => gateway.statusList({ claims: expired() })],
    ['a list with no iat', () => gateway.statusList({ claims: { iat: undefined } })],
    ['a list with no lst', () => gateway.statusList({ claims: { status_list: { bits: 1 } } })],
    ['a list with three bits', () => gateway.statusList({ bits: 3 })],
    ['a list that is not zlib', () => gateway.statusList({ claims: { status_list: { bits: 1, lst: 'AAAA' } } })],
    ['an access token', () => gateway.token({ claims: { sub: gateway.listUri } })],
    ['a bomb', () => gateway.statusList({ bytes: new Uint8Array(64 * 1024 * 1024) })],
    ['a list as long as a library', async () => (await gateway.statusList()) + ' '.repeat(9 * 1024 * 1024)],
    ['nothing', async () => ''],
  ])('%s; what was known before still holds', async (_name, body) => {
    gateway.ended.add(7)
    const verifier = await start()
    const text = await body()
    gateway.overrides.set(LIST, () => new Response(text))
    await advance(30)
    expect(failures).toMatchObject([{ part: 'status', url: gateway.listUri }])
    await expect(verifier.verify(await gateway.token({ index: 7 }))).rejects.toEqual(refused('session_ended'))
    await expect(verifier.verify(await gateway.token({ index: 8 }))).resolves.toMatchObject(accepted)
  })
})

test.each([1, 2, 4, 8] as const)('lists of %i bits made by another implementation are read alike', async (bits) => {
  const statuses = Array.from({ length: 200 }, (_, index) => (index % 7 === 3 ? (index % (2 ** bits - 1)) + 1 : 0))
  const now = Math.floor(Date.now() / 1000)
  const { header, payload } = createHeaderAndPayload(
    new StatusList(statuses, bits),
    { iss: gateway.issuer, sub: gateway.listUri, iat: now, exp: now + 600, ttl: 30 },
    { alg: 'ES256', kid: 'key-1', typ: 'statuslist+jwt' },
  )
  const jwt = await new SignJWT({ ...payload })
    .setProtectedHeader({ ...header, alg: 'ES256' })
    .sign(gateway.key().privateKey)
  gateway.overrides.set(LIST, () => new Response(jwt))
  const verifier = await start()
  for (const [index, status] of statuses.entries()) {
    const outcome = verifier.verify(await gateway.token({ index }))
    if (status === 0) await expect(outcome).resolves.toMatchObject(accepted)
    else await expect(outcome).rejects.toEqual(refused('session_ended'))
  }
})

test('the vector of the draft is read as the draft says', async () => {
  // draft-ietf-oauth-status-list section 4.2: B9 A3, least significant bit first.
  const statuses = [1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1]
  const jwt = await gateway.statusList({ claims: { status_list: { bits: 1, lst: 'eNrbuRgAAhcBXQ' } } })
  gateway.overrides.set(LIST, () => new Response(jwt))
  const verifier = await start()
  for (const [index, status] of statuses.entries()) {
    const outcome = verifier.verify(await gateway.token({ index }))
    if (status === 0) await expect(outcome).resolves.toMatchObject(accepted)
    else await expect(outcome).rejects.toEqual(refused('session_ended'))
  }
})

test('a session younger than the list, with an index past its end, is not refused', async () => {
  const verifier = await start()
  const token = await gateway.token({ index: 2 ** 40 })
  await expect(verifier.verify(token)).resolves.toMatchObject(accepted)
})

test('a list is polled as long as a token that was seen can live, then forgotten', async () => {
  const verifier = await start()
  const exp = Math.floor(Date.now() / 1000) + 7200
  await verifier.verify(await gateway.token({ claims: { exp } }))
  for (let polls = 0; polls < 240; polls += 1) await advance(30)
  expect(list(verifier)).toMatchObject({ ageSeconds: 0 })
  await vi.advanceTimersByTimeAsync(30_000)
  await until(() => list(verifier) === undefined)
})

test('a list that is no longer published keeps its say as long as a token that was seen can live, then it is forgotten', async () => {
  gateway.ended.add(7)
  const verifier = await start()
  const exp = Math.floor(Date.now() / 1000) + 7200
  await verifier.verify(await gateway.token({ claims: { exp } }))
  gateway.overrides.set(LIST, () => new Response(null, { status: 404 }))
  await advance(7190)
  expect(list(verifier)).toMatchObject({ uri: gateway.listUri, failing: true })
  const ended = await gateway.token({ index: 7, claims: { exp } })
  await expect(verifier.verify(ended)).rejects.toEqual(refused('session_ended'))
  await vi.advanceTimersByTimeAsync(3_700_000)
  await until(() => list(verifier) === undefined)
  const asked = gateway.asked(LIST)
  await vi.advanceTimersByTimeAsync(3_600_000)
  expect(gateway.asked(LIST)).toBe(asked)
})

test('in an outage a list is kept past the life of every token, so that nothing that ended comes back', async () => {
  gateway.ended.add(7)
  const verifier = await start()
  gateway.setDown(true)
  await advance(8_000)
  expect(list(verifier)).toMatchObject({ uri: gateway.listUri, failing: true })
})
