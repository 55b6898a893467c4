/** What PostgreSQL may answer instead of rows, on each kind of route: an outage or a held row, told with Retry-After, and never a defect. */
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { startTestGateway, type TestGateway } from './test-gateway.ts'

const ALL = 'all-scopes-0123456789-0123456789-0123456789'

const states: [string, string][] = [
  ['57014', 'a statement that was cancelled'],
  ['53300', 'too many connections'],
  ['55P03', 'a lock that did not come in time'],
  ['40001', 'a collision of transactions'],
]

describe.runIf(inject('stores') === 'real')('PostgreSQL answers with', () => {
  let gateway: TestGateway
  let tokens: { token: string; refresh_token: string; user_id: string }
  beforeAll(async () => {
    gateway = await startTestGateway({ environment: { ADMIN_TOKENS: `all:admin+introspect+revoke:${ALL}` } })
    tokens = (await gateway.login('somebody')).body.data
    // Whoever reads a row of these from now on gets the error that `provoke` raises.
    await raw(`create function provoke() returns boolean language plpgsql as $$ begin return true; end $$`)
    for (const table of ['users', 'sessions']) {
      await raw(`alter table ${table} rename to ${table}_kept`)
      await raw(`create view ${table} as select * from ${table}_kept where provoke()`)
    }
  })
  afterAll(() => gateway?.close())

  const raw = (text: string) => sql.raw(text).execute(gateway.stores.database.kysely)
  const provoke = (body: string) =>
    raw(`create or replace function provoke() returns boolean language plpgsql as $$ begin ${body}; end $$`)

  type Answered = [status: number, code: unknown, retryAfter: string | null]
  const envelope = async (reply: ReturnType<TestGateway['call']>): Promise<Answered> => {
    const { status, body, headers } = await reply
    return [status, body.code, headers.get('retry-after')]
  }
  const service = async (path: string, form: Record<string, string>): Promise<Answered> => {
    const headers = { authorization: `Bearer ${ALL}` }
    const reply = await gateway.internalApp.request(path, { method: 'POST', headers, body: new URLSearchParams(form) })
    return [reply.status, ((await reply.json()) as { error?: string }).error, reply.headers.get('retry-after')]
  }
  const verify = async (): Promise<Answered> => {
    const headers = { authorization: `Bearer ${tokens.token}` }
    const reply = await gateway.internalApp.request('/verify', { headers })
    expect(reply.headers.get('x-auth-user-id')).toBe(reply.status === 200 ? tokens.user_id : null)
    return [reply.status, undefined, reply.headers.get('retry-after')]
  }
  const asUser = (method: string, path: string, body?: object) =>
    envelope(gateway.call(method, path, { token: tokens.token, ...(body && { body }) }))
  const operate = (method: string, path: string, body?: object) =>
    envelope(gateway.internal(method, path, { token: ALL, ...(body && { body }) }))

  const calls: Record<string, () => Promise<Answered>> = {
    login: () => envelope(gateway.login('somebody')),
    refresh: () => envelope(gateway.post('/api/refresh', { refresh_token: tokens.refresh_token })),
    logout: () => envelope(gateway.post('/api/logout', { refresh_token: tokens.refresh_token })),
    profile: () => asUser('GET', '/api/user'),
    'change of the profile': () => asUser('PATCH', '/api/user', { nickname: 'x' }),
    export: () => asUser('GET', '/api/user/export'),
    sessions: () => asUser('GET', '/api/sessions'),
    'end of sessions': () => asUser('DELETE', '/api/sessions?scope=all'),
    verify,
    introspection: () => service('/oauth2/introspect', { token: tokens.token }),
    'introspection of a refresh token': () => service('/oauth2/introspect', { token: tokens.refresh_token }),
    revocation: () => service('/oauth2/revoke', { token: tokens.token }),
    'search of users': () => operate('GET', '/admin/users'),
    'a user': () => operate('GET', `/admin/users/${tokens.user_id}`),
    suspension: () => operate('POST', `/admin/users/${tokens.user_id}/suspend`, {}),
    roles: () => operate('PUT', `/admin/users/${tokens.user_id}/roles`, { roles: ['vip'] }),
    erasure: () => operate('DELETE', `/admin/users/${tokens.user_id}`),
  }

  test.each(states)('%s, %s: 503 with Retry-After, whatever was asked', async (state) => {
    await provoke(`raise exception 'provoked' using errcode = '${state}'`)
    const answers = await Promise.all(Object.entries(calls).map(async ([what, call]) => [what, ...(await call())]))
    await provoke('return true')
    for (const [what, status, code, retryAfter] of answers)
      expect([
        what,
        status,
        ['B0320', 'temporarily_unavailable', undefined].includes(code as string),
        Number(retryAfter) > 0,
      ]).toEqual([what, 503, true, true])
    expect(gateway.logs()).not.toContain('ALERT: defect')
    expect(await asUser('GET', '/api/user')).toEqual([200, '00000', null])
  })
})
