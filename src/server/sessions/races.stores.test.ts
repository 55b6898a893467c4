/** The races: whatever interleaving two replicas and PostgreSQL come up with, an ended session yields no token that works. */
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { APP_SECRET, APPID, type Reply, startTestGateway, type TestGateway } from '../../dev/testing/test-gateway.ts'

/** Real locks and two connections pools are where races happen; the embedded store runs one statement at a time. */
const rounds = Number(process.env.RACE_ROUNDS ?? (inject('stores') === 'real' ? 100 : 3))

const SERVICE = 'race-service-token-0123456789abcdef'
const OTHER_APPID = 'wx0000000000000002'
const app = { secret: APP_SECRET, union: 'acme' }

describe(`races, ${rounds} times each`, () => {
  let one: TestGateway
  let two: TestGateway
  beforeAll(async () => {
    one = await startTestGateway({
      environment: {
        ADMIN_TOKENS: `race:admin+introspect:${SERVICE}`,
        WECHAT_APPID: undefined,
        WECHAT_SECRET: undefined,
        APPS: JSON.stringify([
          { ...app, appid: APPID },
          { ...app, appid: OTHER_APPID },
        ]),
      },
      apps: [APPID, OTHER_APPID].map((appid) => ({ appid, secret: APP_SECRET, openPlatform: 'acme' })),
    })
    two = await one.replica()
  })
  afterAll(async () => {
    await two.close()
    await one.close()
  })

  let people = 0
  const nobodyYet = () => `racer ${++people}`
  const refresh = (at: TestGateway, refreshToken: string) => at.post('/api/refresh', { refresh_token: refreshToken })
  const operate = (method: string, path: string) => two.internal(method, `/admin/users/${path}`, { token: SERVICE })
  const login = (at: TestGateway, person: string, appid = APPID, unionid = true) =>
    at.post('/api/login', { appid, code: at.simulator.login(appid, person, { unionid }) })

  /** Starts all at once, each after a blink of its own, so that every round meets another interleaving. */
  const race = (...starts: (() => Promise<Reply>)[]): Promise<Reply[]> =>
    Promise.all(
      starts.map(async (start) => {
        for (let turns = Math.floor(Math.random() * 12); turns > 0; turns -= 1)
          await new Promise((resolve) => setImmediate(resolve))
        return await start()
      }),
    )

  async function isActive(token: string): Promise<boolean> {
    const form = {
      method: 'POST',
      body: new URLSearchParams({ token }),
      headers: { authorization: `Bearer ${SERVICE}` },
    }
    const reply = (await (await one.internalApp.request('/oauth2/introspect', form)).json()) as { active: boolean }
    return reply.active
  }

  const liveSessions = async (userId: string): Promise<number> => {
    const [row] = await one.stores.database.run<{ n: number }>(
      { name: 'live', text: 'select count(*)::int as n from sessions where user_id = $1 and ended_at is null' },
      [userId],
    )
    return row?.n ?? -1
  }

  /** No token that any of these replies handed out works anywhere, for a service that asks or for a refresh. */
  async function expectNothingLives(replies: readonly Reply[]): Promise<void> {
    for (const { token, refresh_token } of replies
      .filter(({ status }) => status === 200)
      .map(({ body }) => body.data ?? {})) {
      if (token === undefined) continue
      expect(await isActive(token)).toBe(false)
      expect(await isActive(refresh_token)).toBe(false)
      expect((await refresh(two, refresh_token)).body.data).toBeNull()
      expect((await one.call('GET', '/api/sessions', { token })).body.data).toBeNull()
    }
  }

  const expectCodes = (replies: readonly Reply[], ...allowed: string[]) => {
    for (const { body } of replies) expect(allowed).toContain(body.code)
  }

  const manyTimes = (guarantee: string, round: () => Promise<void>) =>
    test(guarantee, { timeout: 120_000 }, async () => {
      for (let each = 0; each < rounds; each += 1) await round()
    })

  manyTimes('refresh against refresh: all get the same successor, and the session lives on', async () => {
    const first = await login(one, nobodyYet())
    const use = (at: TestGateway) => () => refresh(at, first.body.data.refresh_token)
    const replies = await race(use(one), use(two), use(one), use(two))
    expectCodes(replies, '00000')
    const successors = new Set(replies.map(({ body }) => body.data.refresh_token))
    expect(successors.size).toBe(1)
    const [successor = ''] = successors
    expect((await refresh(one, successor)).body.code).toBe('00000')
  })

  manyTimes('refresh against a replay: once the replay is seen, neither chain yields a token that works', async () => {
    const first = await login(one, nobodyYet())
    const second = await refresh(one, first.body.data.refresh_token)
    const third = await refresh(two, second.body.data.refresh_token)
    const use = (at: TestGateway, from: Reply) => () => refresh(at, from.body.data.refresh_token)
    const replies = await race(use(one, third), use(two, first), use(two, third), use(one, first))
    expectCodes(replies, '00000', 'A0220', 'A0230')
    expect(replies.filter(({ body }) => body.code === 'A0220')).toHaveLength(1)
    await expectNothingLives([...replies, third])
  })

  manyTimes('refresh against logout: after the logout no token works, whoever was first', async () => {
    const first = await login(one, nobodyYet())
    const { token, refresh_token } = first.body.data
    const replies = await race(
      () => refresh(one, refresh_token),
      () => two.call('POST', '/api/logout', { token }),
      () => refresh(two, refresh_token),
    )
    expect(replies[1]?.body.code).toBe('00000')
    expectCodes(replies, '00000', 'A0230')
    await expectNothingLives([...replies, first])
  })

  manyTimes('refresh against suspend: no session of a suspended user lives, and no token of it works', async () => {
    const person = nobodyYet()
    const before = [await login(one, person), await login(two, person), await login(two, person)]
    const userId = before[0]?.body.data.user_id
    const use = (at: TestGateway, index: number) => () => refresh(at, before[index]?.body.data.refresh_token)
    const replies = await race(
      use(one, 0),
      use(two, 1),
      () => operate('POST', `${userId}/suspend`),
      use(one, 2),
      use(two, 0),
    )
    expect(replies[2]?.body.data.status).toBe('suspended')
    expectCodes(replies, '00000', 'A0202')
    expect(await liveSessions(userId)).toBe(0)
    await expectNothingLives([...before, ...replies])
  })

  manyTimes('login against suspend: a login that raced leaves no session and no token that works', async () => {
    const person = nobodyYet()
    const userId = (await login(one, person)).body.data.user_id
    const replies = await race(
      () => login(one, person),
      () => operate('POST', `${userId}/suspend`),
      () => login(two, person),
      () => login(one, person, OTHER_APPID),
    )
    expect(replies[1]?.body.data.status).toBe('suspended')
    expectCodes(replies, '00000', 'A0202')
    expect(await liveSessions(userId)).toBe(0)
    await expectNothingLives(replies)
  })

  manyTimes('login against reinstate: sessions ended by the suspension stay ended', async () => {
    const person = nobodyYet()
    const first = await login(one, person)
    const userId = first.body.data.user_id
    await operate('POST', `${userId}/suspend`)
    const replies = await race(
      () => refresh(one, first.body.data.refresh_token),
      () => operate('POST', `${userId}/reinstate`),
      () => login(two, person),
    )
    expect(replies[1]?.body.data.status).toBe('active')
    await expectNothingLives([first])
  })

  manyTimes(
    'login against erase: the erased user keeps no session and no identity; who logged in after is new',
    async () => {
      const person = nobodyYet()
      const userId = (await login(one, person)).body.data.user_id
      const replies = await race(
        () => login(one, person, OTHER_APPID),
        () => operate('DELETE', userId),
        () => login(two, person),
      )
      expect(replies[1]?.body.code).toBe('00000')
      expectCodes(replies, '00000')
      expect(await liveSessions(userId)).toBe(0)
      await expectNothingLives(replies.filter(({ body }) => body.data.user_id === userId))
      const [left] = await one.stores.database.run<{ n: number }>(
        {
          name: 'left',
          text: `select (select count(*) from platform_identities where user_id = $1)::int
          + (select count(*) from union_members where user_id = $1)::int as n`,
        },
        [userId],
      )
      expect(left?.n).toBe(0)
      const after = await login(one, person)
      expect(after.body.code).toBe('00000')
      expect(after.body.data.user_id).not.toBe(userId)
    },
  )

  manyTimes('two unionid joins crossing: first logins in both apps at once make one user each person', async () => {
    const [p, q] = [nobodyYet(), nobodyYet()]
    const replies = await race(
      () => login(one, p, APPID),
      () => login(two, p, OTHER_APPID),
      () => login(one, q, OTHER_APPID),
      () => login(two, q, APPID),
    )
    expectCodes(replies, '00000')
    const [p1, p2, q1, q2] = replies.map(({ body }) => body.data.user_id)
    expect(p1).toBe(p2)
    expect(q1).toBe(q2)
    expect(p1).not.toBe(q1)
  })

  manyTimes(
    'a unionid that appears in both apps at once belongs to one user; the conflict is audited, not merged',
    async () => {
      const person = nobodyYet()
      const hidden = await Promise.all([login(one, person, APPID, false), login(two, person, OTHER_APPID, false)])
      const owners = hidden.map(({ body }) => body.data.user_id)
      const replies = await race(
        () => login(one, person, OTHER_APPID),
        () => login(two, person, APPID),
      )
      expectCodes(replies, '00000')
      expect(replies.map(({ body }) => body.data.user_id)).toEqual([owners[1], owners[0]])
      const conflicts = await one.stores.database.run<{ n: number }>(
        {
          name: 'conflicts',
          text: `select count(*)::int as n from audit_events where kind = 'unionid_conflict' and user_id = any ($1::uuid[])`,
        },
        [owners],
      )
      expect(conflicts).toEqual([{ n: 1 }])
    },
  )
})
