/** One person in several apps of one union is one user, however and in whatever order they arrive. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTestGateway, type TestGateway } from '../../dev/testing/test-gateway.ts'

const SHOP = 'wx00000000000shop'
const CLUB = 'wx00000000000club'
const LONE = 'wx00000000000lone'
const FREE = 'wx00000000000free'
const SECRET = 'app-secret'
/** LONE is of another union here, and FREE of none, though all four are of one Open Platform account. */
const configured = [
  { appid: SHOP, secret: SECRET, union: 'acme' },
  { appid: CLUB, secret: SECRET, union: 'acme' },
  { appid: LONE, secret: SECRET, union: 'other' },
  { appid: FREE, secret: SECRET },
]

let gateway: TestGateway
let other: TestGateway
beforeAll(async () => {
  gateway = await startTestGateway({
    environment: { WECHAT_APPID: undefined, WECHAT_SECRET: undefined, APPS: JSON.stringify(configured) },
    apps: configured.map(({ appid, secret }) => ({ appid, secret, openPlatform: 'acme' })),
  })
  other = await gateway.replica()
})
afterAll(() => gateway.close())

type Arrival = { appid: string; unionid?: boolean }
async function arrive(person: string, { appid, unionid = true }: Arrival, on = gateway): Promise<string> {
  const { status, body } = await on.post('/api/login', {
    appid,
    code: gateway.simulator.login(appid, person, { unionid }),
  })
  expect([status, body.code]).toEqual([200, '00000'])
  return body.data.user_id
}
async function rows<Row>(text: string, values: unknown[]): Promise<Row[]> {
  return await gateway.stores.database.run<Row>({ name: text.slice(0, 60), text }, values)
}
const auditedConflicts = (userId: string) =>
  rows<{ detail: unknown }>("select detail from audit_events where kind = 'unionid_conflict' and user_id = $1", [
    userId,
  ])
const identitiesOf = (userId: string) =>
  rows<{ appid: string; unionid: string | null }>(
    'select appid, unionid from platform_identities where user_id = $1 order by appid',
    [userId],
  )

const shop = { appid: SHOP }
const club = { appid: CLUB }
const lateShop = { appid: SHOP, unionid: false }
const lateClub = { appid: CLUB, unionid: false }

describe('is one user', () => {
  test.each<[string, Arrival[]]>([
    ['first here, then there', [shop, club]],
    ['first there, then here', [club, shop]],
    ['back and forth', [shop, club, shop, club]],
    ['the unionid came later, before the second app', [lateShop, shop, club]],
    ['the unionid came later, after the second app was known by it', [club, shop, lateClub, lateShop]],
    ['the unionid is there once and then hidden again', [shop, lateShop, club, lateClub]],
  ])('%s', async (what, arrivals) => {
    const ids: string[] = []
    for (const [index, arrival] of arrivals.entries())
      ids.push(await arrive(what, arrival, index % 2 ? other : gateway))
    expect(new Set(ids).size).toBe(1)
    const unionid = gateway.simulator.unionidOf(SHOP, what)
    expect(await identitiesOf(ids[0] ?? '')).toEqual([
      { appid: CLUB, unionid },
      { appid: SHOP, unionid },
    ])
    expect(await auditedConflicts(ids[0] ?? '')).toEqual([])
  })

  test.each<[string, Arrival[]]>([
    ['new in both apps at once', [shop, club]],
    ['new in both, with and without unionid', [shop, club, lateShop, club]],
  ])('%s, 20 people with 10 parallel logins each, on two replicas', async (what, [first, ...rest]) => {
    const everybody = Array.from({ length: 20 }, async (_, index) => {
      const person = `${what} ${index}`
      const known = rest.length > 1 && first ? await arrive(person, first) : undefined
      const arrivals = Array.from({ length: 10 }, (_none, at) => [first, ...rest][at % (1 + rest.length)] ?? shop)
      const ids = await Promise.all(arrivals.map((arrival, at) => arrive(person, arrival, at % 3 ? other : gateway)))
      return new Set(known === undefined ? ids : [known, ...ids]).size
    })
    expect(await Promise.all(everybody)).toEqual(Array(20).fill(1))
  })

  test('the first login says so once, whichever app it came through', async () => {
    const login = (appid: string) =>
      gateway.post('/api/login', { appid, code: gateway.simulator.login(appid, 'greeted') })
    const replies = [await login(SHOP), await login(CLUB), await login(SHOP)]
    expect(replies.map((reply) => reply.body.data.is_new_user)).toEqual([true, false, false])
  })
})

describe('is not merged silently', () => {
  test('two users who turn out to be one person stay two, and the conflict is audited once', async () => {
    const one = await arrive('grown apart', lateShop)
    const two = await arrive('grown apart', lateClub)
    expect(two).not.toBe(one)
    const later = [
      await arrive('grown apart', shop),
      await arrive('grown apart', club),
      await arrive('grown apart', club, other),
    ]
    expect(later).toEqual([one, two, two])
    expect(await auditedConflicts(two)).toEqual([{ detail: { union: 'acme', belongs_to: one } }])
    expect(await auditedConflicts(one)).toEqual([])
  })

  test('nor a user whose unionid comes later than the second app', async () => {
    const one = await arrive('too late', lateShop)
    const two = await arrive('too late', club)
    expect(await arrive('too late', shop, other)).toBe(one)
    expect(two).not.toBe(one)
    expect(await auditedConflicts(one)).toEqual([{ detail: { union: 'acme', belongs_to: two } }])
  })

  test('not even when both learn it at the same moment', async () => {
    const one = await arrive('at once', lateShop)
    const two = await arrive('at once', lateClub)
    const learning = [shop, club, shop, club].map((arrival, index) =>
      arrive('at once', arrival, index % 2 ? other : gateway),
    )
    expect(await Promise.all(learning)).toEqual([one, two, one, two])
    expect((await auditedConflicts(one)).length + (await auditedConflicts(two)).length).toBe(1)
  })
})

test('apps of different unions, and apps of none, have users of their own, though WeChat gives one unionid', async () => {
  const ids = [
    await arrive('apart', shop),
    await arrive('apart', { appid: LONE }),
    await arrive('apart', { appid: FREE }),
  ]
  expect(new Set(ids).size).toBe(3)
})

test('a suspended user is suspended in every app of the union, new ones too', async () => {
  const id = await arrive('suspended', shop)
  await rows("update users set status = 'suspended' where id = $1", [id])
  const code = gateway.simulator.login(CLUB, 'suspended')
  expect((await gateway.post('/api/login', { appid: CLUB, code })).body.code).toBe('A0202')
})

test('without a union a unionid that appears late, or changes, is kept all the same', async () => {
  const unionidOf = async (userId: string) =>
    (await rows<{ unionid: string | null }>('select unionid from platform_identities where user_id = $1', [userId]))[0]
      ?.unionid
  const userId = await arrive('late without a union', { appid: FREE, unionid: false })
  expect(await unionidOf(userId)).toBeNull()
  await arrive('late without a union', { appid: FREE })
  const unionid = gateway.simulator.unionidOf(FREE, 'late without a union')
  expect(await unionidOf(userId)).toBe(unionid)
  await rows('update platform_identities set unionid = $1 where user_id = $2 returning 1', [
    'before the change',
    userId,
  ])
  await arrive('late without a union', { appid: FREE })
  expect(await unionidOf(userId)).toBe(unionid)
  await arrive('late without a union', { appid: FREE, unionid: false })
  expect(await unionidOf(userId)).toBe(unionid)
})
