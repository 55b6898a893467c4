/** Events of WeChat's message push through HTTP: kept, done once, whatever is sent twice, on whichever replica. */
import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { passedOn, pushEnvironment, pushOf, sendPush } from '../../dev/testing/push.ts'
import { APPID, startTestGateway, type TestGateway } from '../../dev/testing/test-gateway.ts'

const TEAM = 'team-with-a-receiver-0123456789-0123456789'
const OTHER = 'team-without-the-scope-0123456789-01234567'

let gateway: TestGateway
let replica: TestGateway
beforeAll(async () => {
  gateway = await startTestGateway({
    environment: { ...pushEnvironment, ADMIN_TOKENS: `team:platform-events:${TEAM},other:open-data:${OTHER}` },
  })
  replica = await gateway.replica()
})
afterAll(async () => {
  await replica.close()
  await gateway.close()
})

let created = 1_700_000_000
const openidOf = (person: string) => gateway.simulator.openidOf(APPID, person)
function event(person: string, name: string, more: Record<string, unknown> = {}) {
  created += 1
  const common = { ToUserName: 'gh_1', FromUserName: 'oWeChat', CreateTime: created, MsgType: 'event', Event: name }
  return { ...common, OpenID: openidOf(person), AppID: APPID, ...more }
}
const rows = <Row>(text: string, values: unknown[] = []) =>
  gateway.stores.database.run<Row>({ name: createHash('sha256').update(text).digest('hex').slice(0, 40), text }, values)
const waits = { timeout: 10_000, interval: 25 }
/** Until nothing waits any more. */
const settled = () =>
  vi.waitFor(async () => {
    const [row] = await rows<{ n: number }>('select count(*)::int as n from platform_events where due_at is not null')
    expect(row?.n).toBe(0)
  }, waits)

/** A user with everything that an event may take. */
async function wholeUser(person: string) {
  const { token, user_id: userId, refresh_token: refreshToken } = (await gateway.login(person)).body.data
  const body = { nickname: '小明', email: 'ming@example.com', address: '广州市', signature: '你好' }
  await gateway.call('PATCH', '/api/user', { token, body })
  await gateway.call('POST', '/api/user/phone', { token, body: { code: gateway.simulator.phoneCode(APPID, person) } })
  await rows('update users set avatar = $2 where id = $1', [userId, 'https://thirdwx.qlogo.cn/1'])
  return { token: token as string, userId: userId as string, refreshToken: refreshToken as string }
}
const profileOf = async (token: string) => (await gateway.call('GET', '/api/user', { token })).body.data
async function auditOf(userId: string, kind: string) {
  return await rows<{ actor: string; appid: string; detail: Record<string, unknown> }>(
    'select actor, appid, detail from audit_events where user_id = $1 and kind = $2',
    [userId, kind],
  )
}
const push = async (message: object | string, on = gateway, odd = {}) => {
  const reply = await sendPush(on, pushOf(message, odd))
  expect(reply).toEqual({ status: 200, text: 'success' })
  await settled()
}

describe('a permission that is taken back', () => {
  test.each<[string, unknown, Record<string, null>]>([
    ['of the phone number', '8', { phone: null }],
    ['of the phone number, as a number', 8, { phone: null }],
    ['of the e-mail', '16', { email: null }],
    ['of the address', '2', { address: null }],
    ['of nickname and avatar', '6', { nickname: null, avatar: null }],
    ['of the nickname from the keyboard', '19', { nickname: null, avatar: null }],
    ['of several', ['8', '16', 2], { phone: null, email: null, address: null }],
  ])('%s clears that and nothing else', async (what, RevokeInfo, cleared) => {
    const { token, userId } = await wholeUser(what)
    const before = await profileOf(token)
    await push(event(what, 'user_authorization_revoke', { RevokeInfo }))
    const after = await profileOf(token)
    expect(after).toEqual({ ...before, ...cleared })
    const [audited] = await auditOf(userId, 'authorization_revoked')
    expect(audited).toMatchObject({ actor: 'platform:wechat', appid: APPID, detail: { source: 'push' } })
    expect([audited?.detail.cleared].flat().sort()).toEqual(Object.keys(cleared).sort())
    expect(JSON.stringify(audited)).not.toContain(openidOf(what))
  })

  test('leaves a phone number free for the next who proves it', async () => {
    const { token } = await wholeUser('phone giver')
    const phone = (await profileOf(token)).phone
    await push(event('phone giver', 'user_authorization_revoke', { RevokeInfo: '8' }))
    const next = (await gateway.login('phone taker')).body.data.token
    const code = gateway.simulator.phoneCode(APPID, 'phone taker', phone.slice(3))
    const reply = await gateway.call('POST', '/api/user/phone', { token: next, body: { code } })
    expect(reply.body.data.phone).toBe(phone)
  })

  test('is not brought back by what the next login carries along', async () => {
    const { token } = await wholeUser('stale userinfo')
    await push(event('stale userinfo', 'user_authorization_revoke', { RevokeInfo: '6' }))
    const userinfo = { nickName: '小明', avatarUrl: 'https://thirdwx.qlogo.cn/2' }
    await gateway.login('stale userinfo', { userinfo })
    expect(await profileOf(token)).toMatchObject({ nickname: null, avatar: null })
  })

  test('of what is not kept here goes to the stream, and one of both kinds is cleared and goes there', async () => {
    const { token } = await wholeUser('mixed')
    const elsewhere = event('mixed', 'user_authorization_revoke', { RevokeInfo: '13' })
    await push(elsewhere)
    const both = event('mixed', 'user_authorization_revoke', { RevokeInfo: ['8', '13'] })
    await push(both)
    const messages = (await passedOn(gateway)).map(({ message }) => message)
    expect(messages.filter((one) => one === JSON.stringify(elsewhere))).toHaveLength(1)
    expect(messages.filter((one) => one === JSON.stringify(both))).toHaveLength(1)
    expect((await profileOf(token)).phone).toBeNull()
  })
})

describe('a user whose nickname or picture WeChat cleaned', () => {
  test('has neither here, until a login brings new ones', async () => {
    const { token, userId } = await wholeUser('cleaned')
    await push(event('cleaned', 'user_info_modified'))
    expect(await profileOf(token)).toMatchObject({ nickname: null, avatar: null, email: 'ming@example.com' })
    expect(await auditOf(userId, 'profile_cleaned')).toHaveLength(1)
    await gateway.login('cleaned', { userinfo: { nickName: '新名字' } })
    expect((await profileOf(token)).nickname).toBe('新名字')
  })
})

describe('an authorisation that is closed for good', () => {
  test('erases the user as DELETE /api/user does, and every session ends', async () => {
    const { token, userId, refreshToken } = await wholeUser('closed')
    await push(event('closed', 'user_authorization_cancellation'), replica)
    const [user] = await rows<Record<string, unknown>>('select * from users where id = $1', [userId])
    expect(user).toMatchObject({ status: 'erased', nickname: null, phone: null, email: null, avatar: null })
    expect(await rows('select from platform_identities where user_id = $1', [userId])).toEqual([])
    expect((await gateway.call('GET', '/api/user', { token })).body.code).toBe('A0203')
    expect((await gateway.post('/api/refresh', { refresh_token: refreshToken })).body.code).toBe('A0203')
    expect((await gateway.login('closed')).body.data).toMatchObject({ is_new_user: true })
  })

  test.each([
    ['suspend', 'suspended', 0],
    ['report', 'active', 1],
  ])('with onCancellation %s leaves the user %s', async (onCancellation, status, streamed) => {
    const app = { appid: APPID, secret: String(gateway.environment.WECHAT_SECRET) }
    const push = { token: 'PushToken1', encodingAesKey: pushEnvironment.WECHAT_PUSH_AES_KEY, onCancellation }
    const own = await startTestGateway({
      environment: { APPS: JSON.stringify([{ ...app, push }]), WECHAT_APPID: undefined, WECHAT_SECRET: undefined },
    })
    const userId = (await own.login('leaving')).body.data.user_id
    await sendPush(own, pushOf(event('leaving', 'user_authorization_cancellation')))
    const outcome = onCancellation === 'report' ? 'reported passed_on' : 'suspended'
    await vi.waitFor(async () => {
      const found = await own.stores.database.run({ name: 'o', text: 'select outcome from platform_events' }, [])
      expect(found).toEqual([{ outcome }])
    }, waits)
    const found = await own.stores.database.run({ name: 's', text: 'select status from users where id = $1' }, [userId])
    expect(found).toEqual([{ status }])
    expect(await passedOn(own)).toHaveLength(streamed)
    await own.close()
  })
})

describe('an event that comes again', () => {
  test('is answered and does nothing twice, however often, encrypted anew, to whichever replica', async () => {
    const { userId } = await wholeUser('repeated')
    const message = event('repeated', 'user_authorization_revoke', { RevokeInfo: '8' })
    const replies = await Promise.all(
      Array.from({ length: 20 }, (_, n) => sendPush(n % 2 === 0 ? gateway : replica, pushOf(message))),
    )
    expect(new Set(replies.map(({ text }) => text))).toEqual(new Set(['success']))
    await settled()
    await push(message, replica, { format: 'xml' })
    expect(await auditOf(userId, 'authorization_revoked')).toHaveLength(1)
  })

  test('after its user came back as a new one leaves the new account alone', async () => {
    await wholeUser('returner')
    const message = event('returner', 'user_authorization_cancellation')
    await push(message)
    const { user_id: userId } = (await gateway.login('returner')).body.data
    await push(message, replica)
    // The same, had it been waiting since before the new account: as if its work had been put off.
    const late = event('returner', 'user_authorization_cancellation')
    await rows(
      `insert into platform_events (digest, platform, appid, kind, name, format, message, source, received_at)
       values ('late', 'wechat', $1, 'user', 'user_authorization_cancellation', 'json', $2, 'push', now() - interval '1 hour')`,
      [APPID, JSON.stringify(late)],
    )
    await settled()
    expect(await rows('select status from users where id = $1', [userId])).toEqual([{ status: 'active' }])
  })

  test('is claimed by one of the replicas that look for work at once', async () => {
    const people = Array.from({ length: 30 }, (_, n) => `crowd ${n}`)
    const users = await Promise.all(people.map(async (person) => (await gateway.login(person)).body.data.user_id))
    await Promise.all(
      people.map((person, n) => sendPush(n % 2 === 0 ? gateway : replica, pushOf(event(person, 'user_info_modified')))),
    )
    await settled()
    const counted = await rows<{ n: number }>(
      `select count(*)::int as n from audit_events where kind = 'profile_cleaned' and user_id = any($1::uuid[]) group by user_id`,
      [users],
    )
    expect(counted.map(({ n }) => n)).toEqual(Array(30).fill(1))
  })
})

describe('odd events', () => {
  test('names with blanks around them are read', async () => {
    const { token } = await wholeUser('blanks')
    const { OpenID, ...rest } = event('blanks', 'user_authorization_revoke', { ' RevokeInfo ': '8' })
    await push({ ...rest, ' OpenID': OpenID })
    expect((await profileOf(token)).phone).toBeNull()
  })

  test('XML inside JSON and JSON inside XML are read', async () => {
    const { token } = await wholeUser('xml')
    const openid = openidOf('xml')
    await push(
      `<xml><MsgType><![CDATA[event]]></MsgType><Event><![CDATA[user_authorization_revoke]]></Event><OpenID><![CDATA[${openid}]]></OpenID><RevokeInfo>8</RevokeInfo></xml>`,
    )
    await push(event('xml', 'user_authorization_revoke', { RevokeInfo: '16' }), gateway, { format: 'xml' })
    expect(await profileOf(token)).toMatchObject({ phone: null, email: null })
  })

  test.each<[string, object, string]>([
    ['without OpenID', { OpenID: undefined }, 'no_openid'],
    ['with an OpenID that is a list', { OpenID: ['a'] }, 'no_openid'],
    ['of a stranger', { OpenID: 'o_stranger_000000000000000000' }, 'unknown_user'],
  ])('%s are counted and audited, and harm nobody', async (_what, more, outcome) => {
    await push({ ...event('odd', 'user_authorization_cancellation'), ...more })
    const found = await rows<{ outcome: string; message: string | null }>(
      'select outcome, message from platform_events order by id desc limit 1',
    )
    expect(found).toEqual([{ outcome, message: null }])
    const text = (await gateway.metrics.registry.metrics()) + (await replica.metrics.registry.metrics())
    expect(text).toContain(`event="user_authorization_cancellation",outcome="${outcome}"`)
    await vi.waitFor(async () => {
      const audited = await rows(
        `select from audit_events where kind = 'authorization_cancelled' and user_id is null and detail ->> 'outcome' = $1`,
        [outcome],
      )
      expect(audited.length).toBeGreaterThan(0)
    }, waits)
  })

  test.each<[string, object | string]>([
    ['unknown events', { MsgType: 'event', Event: 'wxa_media_check', CreateTime: 1 }],
    [
      "a user's message to customer service",
      { MsgType: 'text', Content: '你好\u0000 \ud800', MsgId: 1, CreateTime: 1 },
    ],
    ['an event whose name is a number', { Event: 7 }],
    ['nothing that can be read', 'not an event at all'],
    ['a list', '[1,2]'],
    ['an event with the name of a prototype', { Event: 'constructor', __proto__: 1 }],
  ])('%s go to the stream as they came', async (_what, message) => {
    await push(message)
    const text = typeof message === 'string' ? message : JSON.stringify(message)
    expect((await passedOn(gateway)).filter((one) => one.message === text)).toEqual([
      expect.objectContaining({ platform: 'wechat', appid: APPID, id: expect.stringMatching(/^[0-9a-f]{64}$/) }),
    ])
  })
})

describe('a team with a receiver of its own', () => {
  const handIn = (body: unknown, token = TEAM) => gateway.internal('POST', '/internal/platform-events', { token, body })

  test('hands in decrypted events, which are done like those that were pushed, and once with them', async () => {
    const { token, userId } = await wholeUser('handed in')
    const message = event('handed in', 'user_authorization_revoke', { RevokeInfo: '8' })
    const first = await handIn({ appid: APPID, event: message })
    expect([first.status, first.body.data]).toEqual([200, { stored: true }])
    await push(message)
    expect((await handIn({ appid: APPID, event: message })).body.data).toEqual({ stored: false })
    expect((await profileOf(token)).phone).toBeNull()
    const audited = await auditOf(userId, 'authorization_revoked')
    expect(audited).toEqual([expect.objectContaining({ detail: expect.objectContaining({ source: 'service:team' }) })])
  })

  test('needs the scope and an app of this gateway', async () => {
    const body = { appid: APPID, event: event('x', 'user_info_modified') }
    expect((await handIn(body, OTHER)).status).toBe(403)
    expect((await handIn(body, '')).status).toBe(401)
    expect((await handIn({ ...body, appid: 'wx_of_another' })).body).toMatchObject({
      code: 'A0400',
      fields: { appid: expect.any(String) },
    })
    expect((await handIn({ ...body, event: 'text' })).body.code).toBe('A0400')
  })
})

test('without push and scope neither route is there, and nothing of it is loaded', async () => {
  const plain = await gateway.replica({
    WECHAT_PUSH_TOKEN: '',
    WECHAT_PUSH_AES_KEY: '',
    ADMIN_TOKENS: `a:admin:${OTHER}`,
  })
  const paths = [...plain.routes.public, ...plain.routes.internal].map(({ path }) => path)
  expect(paths.filter((path) => path.includes('platform-events'))).toEqual([])
  expect((await sendPush(plain, pushOf(event('x', 'user_info_modified')))).status).toBe(404)
  await plain.close()
})
