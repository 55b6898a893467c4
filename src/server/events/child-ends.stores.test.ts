/** Sessions that a trigger ends with their parent reach the stream, whoever ended the parent and why, through HTTP on two replicas. */
import { decodeJwt } from 'jose'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { streamOf } from '../../dev/testing/session-stream.ts'
import { startTestGateway, type TestGateway } from '../../dev/testing/test-gateway.ts'

const OPERATOR = 'operator-operator-operator-operator-0001'
let gateway: TestGateway
let other: TestGateway
beforeAll(async () => {
  gateway = await startTestGateway({
    environment: {
      CLIENTS: '[{"id":"h5","name":"H5 page","kind":"web"}]',
      ADMIN_TOKENS: `ops:admin+revoke:${OPERATOR}`,
      SESSION_LIMIT: '5',
    },
  })
  other = await gateway.replica()
})
afterAll(async () => {
  await other.close()
  await gateway.close()
})

type Person = { name: string; token: string; refreshToken: string; userId: string; sid: string }

const sidOf = (token: string) => decodeJwt<{ sid: string }>(token).sid
async function signIn(name: string): Promise<Person> {
  const { token, refresh_token, user_id } = (await gateway.login(name)).body.data
  return { name, token, refreshToken: refresh_token, userId: user_id, sid: sidOf(token) }
}
async function handOff(token: string): Promise<string> {
  const { ticket } = (await gateway.call('POST', '/api/tickets', { body: { appid: 'h5' }, token })).body.data
  return (await other.post('/api/login', { ticket })).body.data.token
}
const byOperator = (method: string, path: string, body?: object) =>
  gateway.internal(method, path, { token: OPERATOR, ...(body && { body }) })

/** Every way in which a session ends, and what its child's entry says. */
const ends: Record<string, { reason: string; end(person: Person): Promise<unknown> }> = {
  logout: {
    reason: 'parent_ended',
    end: ({ refreshToken }) => gateway.post('/api/logout', { refresh_token: refreshToken }),
  },
  ended_by_user: {
    reason: 'parent_ended',
    end: ({ token, sid }) => gateway.call('DELETE', `/api/sessions/${sid}`, { token }),
  },
  replayed: {
    reason: 'parent_ended',
    async end({ refreshToken }) {
      let next = refreshToken
      for (let turn = 0; turn < 2; turn += 1)
        next = (await gateway.post('/api/refresh', { refresh_token: next })).body.data.refresh_token
      expect((await gateway.post('/api/refresh', { refresh_token: refreshToken })).body.code).toBe('A0220')
    },
  },
  limit: {
    reason: 'parent_ended',
    async end({ name }) {
      for (let more = 0; more < 5; more += 1) await gateway.login(name)
    },
  },
  suspended: {
    reason: 'suspended',
    end: ({ userId }) => byOperator('POST', `/admin/users/${userId}/suspend`, { reason: 'a test' }),
  },
  erased: { reason: 'erased', end: ({ userId }) => byOperator('DELETE', `/admin/users/${userId}`) },
  ended_by_operator: {
    reason: 'parent_ended',
    end: ({ userId, sid }) => byOperator('DELETE', `/admin/users/${userId}/sessions/${sid}`),
  },
  revoked: {
    reason: 'parent_ended',
    end: ({ refreshToken }) =>
      gateway.internalApp.request('/oauth2/revoke', {
        method: 'POST',
        headers: { authorization: `Bearer ${OPERATOR}`, 'content-type': 'application/x-www-form-urlencoded' },
        body: new URLSearchParams({ token: refreshToken }).toString(),
      }) as Promise<Response>,
  },
  'a hand with psql': {
    reason: 'parent_ended',
    end: ({ sid }) =>
      gateway.stores.database.run(
        {
          name: 'end_by_hand',
          text: "update sessions set ended_at = clock_timestamp(), end_reason = 'ended_by_operator' where id = $1",
        },
        [sid],
      ),
  },
}

test('child and grandchild of a session that ended for any reason are entries of the stream, each once on two replicas', async () => {
  const families = await Promise.all(
    Object.entries(ends).map(async ([name, { reason, end }]) => {
      const parent = await signIn(`ended by ${name}`)
      const child = await handOff(parent.token)
      const grandchild = await handOff(child)
      return { name, reason, end, parent, children: [sidOf(child), sidOf(grandchild)] }
    }),
  )
  await Promise.all(families.map(({ end, parent }) => end(parent)))
  const told = async () => {
    const entries = await streamOf(gateway)
    return families.map(({ name, children, parent }) => [
      name,
      children.map((sid) =>
        entries.filter((entry) => entry.sid === sid && entry.user_id === parent.userId).map(({ reason }) => reason),
      ),
    ])
  }
  const expected = families.map(({ name, reason }) => [name, [[reason], [reason]]])
  await vi.waitFor(async () => expect(await told()).toEqual(expected), { timeout: 10_000, interval: 100 })
  // Nothing is left that another look would tell again, and each was counted once.
  const [left] = await gateway.stores.database.run<{ n: number }>(
    { name: 'untold', text: 'select count(*)::int as n from child_ends' },
    [],
  )
  expect(left).toEqual({ n: 0 })
  const counted = async ({ metrics }: TestGateway) =>
    (await metrics.sessionsEnded.get()).values.find(({ labels }) => labels.reason === 'parent_ended')?.value ?? 0
  const withParents = families.filter(({ reason }) => reason === 'parent_ended')
  expect((await counted(gateway)) + (await counted(other))).toBe(2 * withParents.length)
})
