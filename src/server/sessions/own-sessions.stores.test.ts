/** What users can see and end of their own sessions, and how many they may have. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { APPID, startTestGateway, type TestGateway } from '../../dev/testing/test-gateway.ts'

const LIMIT = 4

describe('own sessions', () => {
  let offsetMs = 0
  const clock = { now: () => new Date(Date.now() + offsetMs) }
  let gateway: TestGateway
  beforeAll(async () => {
    gateway = await startTestGateway({ clock, environment: { SESSION_LIMIT: String(LIMIT) } })
  })
  afterAll(() => gateway.close())

  const logins = async (person: string, count: number) => {
    const all = []
    for (let each = 1; each <= count; each += 1) {
      offsetMs += 1000
      all.push((await gateway.login(person, { device: `device ${each}` })).body.data)
    }
    return all
  }
  const list = async (token: string) => (await gateway.call('GET', '/api/sessions', { token })).body.data
  const codeOf = async (token: string) => (await gateway.call('GET', '/api/sessions', { token })).body.code

  test('a user sees their live sessions, the last used first, and which of them asks', async () => {
    const [first, second] = await logins('lister', 2)
    const sessions = await list(first.token)
    expect(sessions).toEqual([
      // The one that asks was used this moment.
      expect.objectContaining({ device: 'device 1', current: true }),
      {
        sid: expect.stringMatching(/^[0-9a-f-]{36}$/),
        device: 'device 2',
        created_at: expect.stringMatching(/Z$/),
        last_used_at: expect.stringMatching(/Z$/),
        ip: null,
        parent_sid: null,
        client_id: APPID,
        current: false,
      },
    ])
    expect((await list(second.token)).map((one: { current: boolean }) => one.current)).toEqual([true, false])
  })

  test('a user ends one session of theirs: it is refused from then on, the others live', async () => {
    const [first, second] = await logins('ender', 2)
    const other = (await list(first.token)).find((one: { current: boolean }) => !one.current)
    const ended = await gateway.call('DELETE', `/api/sessions/${other.sid}`, { token: first.token })
    expect([ended.status, ended.body.data]).toEqual([200, null])
    expect(await codeOf(second.token)).toBe('A0230')
    expect((await gateway.post('/api/refresh', { refresh_token: second.refresh_token })).body.code).toBe('A0230')
    expect(await list(first.token)).toHaveLength(1)
  })

  test("another user's session is not there, and stays alive", async () => {
    const [victim] = await logins('victim', 1)
    const [thief] = await logins('thief', 1)
    const [{ sid }] = await list(victim.token)
    const reply = await gateway.call('DELETE', `/api/sessions/${sid}`, { token: thief.token })
    expect([reply.status, reply.body.code]).toEqual([404, 'A0404'])
    expect(await codeOf(victim.token)).toBe('00000')
  })

  test('scope=others ends all sessions but the one that asks; scope=all ends that one too', async () => {
    const [first, second, third] = await logins('cleaner', 3)
    await gateway.call('DELETE', '/api/sessions?scope=others', { token: second.token })
    expect(await Promise.all([first, second, third].map(({ token }) => codeOf(token)))).toEqual([
      'A0230',
      '00000',
      'A0230',
    ])
    await gateway.call('DELETE', '/api/sessions?scope=all', { token: second.token })
    expect(await codeOf(second.token)).toBe('A0230')
  })

  test('without a scope nothing ends', async () => {
    const [first, second] = await logins('careless', 2)
    const reply = await gateway.call('DELETE', '/api/sessions', { token: first.token })
    expect([reply.body.code, Object.keys(reply.body.fields ?? {})]).toEqual(['A0400', ['scope']])
    expect(await codeOf(second.token)).toBe('00000')
  })

  test('a missing or a bad token is told apart by nothing and gets a challenge', async () => {
    const [{ token }] = await logins('forger', 1)
    const forged = `${token.slice(0, -3)}AAA`
    for (const headers of [{}, { authorization: 'Basic dXNlcjpwYXNz' }, { authorization: `Bearer ${forged}` }]) {
      const reply = await gateway.call('GET', '/api/sessions', { headers })
      expect([reply.status, reply.body.code]).toEqual([401, 'A0230'])
      expect(reply.headers.get('www-authenticate')).toBe('Bearer error="invalid_token"')
    }
  })

  test('one login beyond the limit ends the least recently used session, and only that', async () => {
    const all = await logins('collector', LIMIT)
    // The oldest session is used once more, so the second is the least recently used.
    offsetMs += 1000
    await gateway.post('/api/refresh', { refresh_token: all[0].refresh_token })
    const [newest] = await logins('collector', 1)
    const codes = await Promise.all([...all, newest].map(({ token }) => codeOf(token)))
    expect(codes).toEqual(['00000', 'A0230', '00000', '00000', '00000'])
    const [row] = await gateway.stores.database.run<{ end_reason: string; audited: number }>(
      {
        name: 'why',
        text: `select end_reason, (select count(*)::int from audit_events a where a.session_id = s.id and kind = 'session_ended'
          and detail->>'reason' = 'limit') as audited from sessions s where user_id = $1 and ended_at is not null`,
      },
      [newest.user_id],
    )
    expect(row).toEqual({ end_reason: 'limit', audited: 1 })
  })

  test('people who pass their limit at the same moment lose a session of their own each, which every service is told of', async () => {
    const endedByLimit = async () =>
      (await gateway.metrics.sessionsEnded.get()).values.find(({ labels }) => labels.reason === 'limit')?.value ?? 0
    const known = await endedByLimit()
    const people = Array.from({ length: 12 }, (_, index) => `crowd-${index}`)
    const before = await Promise.all(people.map((person) => logins(person, LIMIT)))
    const after = await Promise.all(people.map((person) => logins(person, 1)))
    const codes = await Promise.all(
      [...before, ...after].map((all) => Promise.all(all.map(({ token }) => codeOf(token)))),
    )
    const lost = codes.slice(0, people.length).map((own) => own.filter((code) => code !== '00000'))
    expect(lost).toEqual(people.map(() => ['A0230']))
    expect(codes.slice(people.length)).toEqual(people.map(() => ['00000']))
    expect(await endedByLimit()).toBe(known + people.length)
  })

  test('using a session writes last_used_at at most every five minutes', async () => {
    const [{ token, user_id }] = await logins('reader', 1)
    const written = async () => {
      const statement = { name: 'used', text: 'select last_used_at, xmin::text from sessions where user_id = $1' }
      const [row] = await gateway.stores.database.run<{ last_used_at: Date; xmin: string }>(statement, [user_id])
      return row
    }
    // The first use is written down: it spends the login's code.
    await list(token)
    const before = await written()
    offsetMs += 4 * 60_000
    await list(token)
    expect(await written()).toEqual(before)
    offsetMs += 2 * 60_000
    const asked = clock.now()
    await list(token)
    expect((await written())?.last_used_at.getTime()).toBeGreaterThanOrEqual(asked.getTime())
  })

  test('an idle session is refused even while its access token is good', async () => {
    const short = await gateway.replica({ REFRESH_TOKEN_TTL_SECONDS: '60' })
    const { token } = (await short.login('sleeper')).body.data
    offsetMs += 61_000
    expect(await codeOf(token)).toBe('A0230')
  })
})
