/** The phone number's guarantees, through HTTP, on the embedded stores and on the real ones. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { encryptOpenData } from '../../dev/simulator/wechat-crypto.ts'
import { APP_SECRET, APPID, startTestGateway, type TestGateway } from '../../dev/testing/test-gateway.ts'
import { systemClock } from '../clock.ts'
import { createLog } from '../observability/log.ts'
import type { Platform } from '../platforms/platform.ts'
import { appsOn } from '../platforms/registry.ts'
import { createPhoneNumbers } from './phone-number.ts'
import { createProfileStore } from './store.ts'
import { createTextCheck } from './text-check.ts'

const PHONE = '/wxa/business/getuserphonenumber'
const OTHER = 'wx0000000000000002'

let gateway: TestGateway
beforeAll(async () => {
  const apps = [
    { platform: 'wechat', appid: APPID, secret: APP_SECRET },
    { platform: 'wechat', appid: OTHER, secret: APP_SECRET },
  ]
  gateway = await startTestGateway({
    apps,
    environment: {
      APPS: JSON.stringify(apps),
      WECHAT_APPID: undefined,
      WECHAT_SECRET: undefined,
      PHONE_DAILY_LIMIT: '3',
    },
  })
})
afterAll(() => gateway.close())

const tokenOf = async (person: string, appid = APPID): Promise<string> =>
  (await gateway.login(person, { appid })).body.data.token
const give = (token: string, body: unknown, on = gateway) => on.call('POST', '/api/user/phone', { token, body })
const paidCalls = async () => (await gateway.metrics.paidCalls.get()).values[0]?.value ?? 0

describe('a phone code', () => {
  test("puts the number into the profile as E.164, with the person's openid sent along, and is counted as paid", async () => {
    const token = await tokenOf('ann')
    const paid = await paidCalls()
    const code = gateway.simulator.phoneCode(APPID, 'ann', '13800138000')
    const { status, body } = await give(token, { code })
    expect(status).toBe(200)
    expect(body.data.phone).toBe('+8613800138000')
    expect(JSON.parse(gateway.simulator.lastRequest(PHONE)?.body ?? '')).toEqual({
      code,
      openid: gateway.simulator.openidOf(APPID, 'ann'),
    })
    expect(await paidCalls()).toBe(paid + 1)
    expect(gateway.logs()).not.toContain('13800138000')
  })

  test('of a number abroad keeps its country', async () => {
    const code = gateway.simulator.phoneCode(APPID, 'abroad', '+852 91234567')
    expect((await give(await tokenOf('abroad'), { code })).body.data.phone).toBe('+85291234567')
  })

  test("of another person's button is refused, so that codes cannot be swapped", async () => {
    const token = await tokenOf('thief')
    const code = gateway.simulator.phoneCode(APPID, 'victim', '13900000001')
    const reply = await give(token, { code })
    expect([reply.status, reply.body.code]).toEqual([403, 'A0312'])
    expect((await gateway.call('GET', '/api/user', { token })).body.data.phone).toBeNull()
  })

  test('that is spent, invented or of another app asks for another tap', async () => {
    const token = await tokenOf('tapper')
    const spent = gateway.simulator.phoneCode(APPID, 'tapper')
    await give(token, { code: spent })
    for (const code of [spent, gateway.simulator.phoneCode(OTHER, 'tapper')]) {
      const reply = await give(token, { code })
      expect([reply.status, reply.body.code]).toEqual([409, 'A0240'])
      expect(reply.headers.get('www-authenticate')).toBeNull()
    }
  })

  test('is redeemed so often a day and no more, on any replica, and the refusal says when to come back', async () => {
    const other = await gateway.replica()
    const token = await tokenOf('spender')
    const calls = gateway.simulator.calls(PHONE)
    const replies = await Promise.all(
      Array.from({ length: 8 }, (_, index) =>
        give(token, { code: gateway.simulator.phoneCode(APPID, 'spender') }, index % 2 ? gateway : other),
      ),
    )
    expect(replies.filter((reply) => reply.status === 200)).toHaveLength(3)
    const refused = replies.filter((reply) => reply.body.code === 'A0501')
    expect(refused).toHaveLength(5)
    expect(gateway.simulator.calls(PHONE)).toBe(calls + 3)
    const wait = Number(refused[0]?.headers.get('retry-after'))
    expect(wait).toBeGreaterThan(0)
    expect(wait).toBeLessThanOrEqual(86_400)
    // Another user is not concerned.
    expect(
      (await give(await tokenOf('neighbour'), { code: gateway.simulator.phoneCode(APPID, 'neighbour') })).status,
    ).toBe(200)
  })

  test.each([
    [{ errcode: -1 }, 502, 'C0001'],
    [{ errcode: 45011 }, 429, 'C0401'],
    [{ drop: true }, 502, 'C0001'],
    [{ body: '{"errcode":0,"phone_info":{}}' }, 502, 'C0001'],
  ])('met with %j answers %i %s and changes nothing', async (fault, status, code) => {
    const person = `unlucky ${JSON.stringify(fault)}`
    const token = await tokenOf(person)
    gateway.simulator.fail({ path: PHONE, ...fault })
    const reply = await give(token, { code: gateway.simulator.phoneCode(APPID, person) })
    gateway.simulator.clearFaults()
    expect([reply.status, reply.body.code]).toEqual([status, code])
    expect((await gateway.call('GET', '/api/user', { token })).headers.get('etag')).toBe('"1"')
  })

  test('is redeemed with a new platform credential when the old one is refused', async () => {
    const token = await tokenOf('renewer')
    expect((await give(token, { code: gateway.simulator.phoneCode(APPID, 'renewer') })).status).toBe(200)
    gateway.simulator.revokeCredential(gateway.simulator.lastRequest(PHONE)?.query.access_token ?? '')
    const calls = gateway.simulator.calls('/cgi-bin/stable_token')
    expect((await give(token, { code: gateway.simulator.phoneCode(APPID, 'renewer') })).status).toBe(200)
    expect(gateway.simulator.calls('/cgi-bin/stable_token')).toBe(calls + 1)
  })
})

test('a platform without phone codes and text checks answers that there is no such thing, and takes texts unchecked', async () => {
  const { user_id: userId, token } = (await gateway.login('other', { appid: APPID })).body.data
  const { sid } = JSON.parse(Buffer.from(token.split('.')[1], 'base64url').toString())
  const bare: Platform = { name: 'wechat', exchange: () => Promise.reject(new Error('not asked')) }
  const apps = appsOn([bare], gateway.config.apps)
  const store = createProfileStore(gateway.stores.database)
  const notAsked = () => Promise.reject(new Error('not asked'))
  const identityOf = async () => ({ platform: 'wechat', appid: APPID, openid: 'openid' })
  const limit = { name: 'none', rule: { points: 1, seconds: 1 }, consume: notAsked }
  const parts = {
    store,
    identityOf,
    apps,
    openData: notAsked,
    limit,
    limitUpstream: notAsked,
    shared: false,
    clock: systemClock,
  }
  const phoneNumbers = createPhoneNumbers({ ...parts, onPaidCall: () => undefined })
  const actor = { ip: undefined, requestId: undefined, name: 'user' }
  await expect(phoneNumbers.set({ userId, sid }, { code: 'any' }, actor)).rejects.toMatchObject({ code: 'A0404' })
  const textCheck = createTextCheck({
    apps,
    limitUpstream: notAsked,
    config: { textCheck: true, textCheckUnavailable: 'refuse' },
    log: createLog({ level: 'silent' }),
  })
  await expect(textCheck(await identityOf(), ['[risky]'], actor)).resolves.toBeUndefined()
})

describe('one number', () => {
  const holders = (phone: string) =>
    gateway.stores.database.run<{ id: string; phone: string; exclusive_phone: string }>(
      { name: 'holders', text: 'select id, phone, exclusive_phone from users where phone = $1' },
      [phone],
    )
  const movesOf = async (token: string) =>
    (await gateway.call('GET', '/api/user/export', { token })).body.data.events.filter(
      ({ kind }: { kind: string }) => kind === 'phone_moved',
    )

  test('belongs to one user: of ten who race for it on two replicas all get it, and one has it in the end', async () => {
    const people = Array.from({ length: 10 }, (_, index) => `rival ${index}`)
    const tokens = await Promise.all(people.map((person) => tokenOf(person)))
    const other = await gateway.replica()
    const replies = await Promise.all(
      people.map((person, index) =>
        give(
          tokens[index] ?? '',
          { code: gateway.simulator.phoneCode(APPID, person, '13700000000') },
          index % 2 ? gateway : other,
        ),
      ),
    )
    expect(replies.map(({ status }) => status)).toEqual(Array(10).fill(200))
    expect(await holders('+8613700000000')).toHaveLength(1)
  })

  test('moves to the newer proof, as numbers are given to new people, and both audit trails say so', async () => {
    const [before, after] = [await tokenOf('before'), await tokenOf('after')]
    await give(before, { code: gateway.simulator.phoneCode(APPID, 'before', '13700000001') })
    const reply = await give(after, { code: gateway.simulator.phoneCode(APPID, 'after', '13700000001') })
    expect([reply.status, reply.body.data.phone]).toEqual([200, '+8613700000001'])
    expect((await gateway.call('GET', '/api/user', { token: before })).body.data.phone).toBeNull()
    const [away] = await movesOf(before)
    const [here] = await movesOf(after)
    // Neither learns who the other is.
    expect([away.detail, here.detail]).toEqual([{ moved: 'away' }, { moved: 'here' }])
    expect([away.ip, away.actor]).toEqual([null, 'operator'])
    const again = await give(before, { code: gateway.simulator.phoneCode(APPID, 'before', '13700000001') })
    expect(again.status).toBe(200)
    expect(await movesOf(before)).toHaveLength(2)
    expect(await holders('+8613700000001')).toHaveLength(1)
  })

  test('is taken back by its user, audited, and is free for others', async () => {
    const token = await tokenOf('taker back')
    await give(token, { code: gateway.simulator.phoneCode(APPID, 'taker back', '13700000002') })
    const reply = await gateway.call('DELETE', '/api/user/phone', { token })
    expect([reply.status, reply.body.data.phone]).toEqual([200, null])
    expect(await holders('+8613700000002')).toEqual([])
    const { events } = (await gateway.call('GET', '/api/user/export', { token })).body.data
    expect(events.at(-1)).toMatchObject({ kind: 'profile_changed', detail: { fields: ['phone'] } })
    const other = await tokenOf('next')
    await give(other, { code: gateway.simulator.phoneCode(APPID, 'next', '13700000002') })
    expect(await movesOf(other)).toEqual([])
    expect((await gateway.call('DELETE', '/api/user/phone', { token })).status).toBe(200)
    expect((await gateway.call('DELETE', '/api/user/phone')).status).toBe(401)
  })

  test('belongs to several users where that is configured', async () => {
    const shared = await gateway.replica({ PHONE_SHARED: 'on' })
    for (const person of ['mother', 'child']) {
      const reply = await give(
        await tokenOf(person),
        { code: gateway.simulator.phoneCode(APPID, person, '13600000000') },
        shared,
      )
      expect(reply.body.data.phone).toBe('+8613600000000')
    }
  })
})

describe('the encrypted phone number', () => {
  test('is opened with the session_key that the login left, and costs no call', async () => {
    const token = await tokenOf('enc')
    const calls = gateway.simulator.calls(PHONE)
    const reply = await give(token, gateway.simulator.phoneData(APPID, 'enc', { phone: '13500000000' }))
    expect(reply.body.data.phone).toBe('+8613500000000')
    expect(gateway.simulator.calls(PHONE)).toBe(calls)
  })

  test('under the key of a later login that never came here asks for a login and another tap', async () => {
    const token = await tokenOf('stale')
    gateway.simulator.login(APPID, 'stale')
    const reply = await give(token, gateway.simulator.phoneData(APPID, 'stale'))
    expect([reply.status, reply.body.code]).toEqual([409, 'A0240'])
    const again = await tokenOf('stale')
    expect((await give(again, gateway.simulator.phoneData(APPID, 'stale'))).status).toBe(200)
  })

  test('of whom no session_key is kept asks for a login and another tap', async () => {
    const token = await tokenOf('keyless')
    await gateway.stores.cache.delete(`session-key:wechat:${APPID}:${gateway.simulator.openidOf(APPID, 'keyless')}`)
    const reply = await give(token, gateway.simulator.phoneData(APPID, 'keyless'))
    expect([reply.status, reply.body.code]).toEqual([409, 'A0240'])
  })

  const now = () => Math.floor(Date.now() / 1000)
  type Broken = { encryptedData: string; iv: string }
  const cases: [string, string, (person: string) => Broken][] = [
    [
      "with another app's watermark",
      'A0340',
      (person) => gateway.simulator.phoneData(APPID, person, { watermark: { appid: OTHER } }),
    ],
    [
      'from an hour ago',
      'A0340',
      (person) => gateway.simulator.phoneData(APPID, person, { watermark: { timestamp: now() - 3600 } }),
    ],
    [
      'from the future',
      'A0340',
      (person) => gateway.simulator.phoneData(APPID, person, { watermark: { timestamp: now() + 3600 } }),
    ],
    ['that holds something else', 'A0340', (person) => gateway.simulator.userInfo(APPID, person)],
    ['of another person', 'A0240', () => gateway.simulator.phoneData(APPID, 'somebody else')],
    ['that was cut at a block', 'A0240', (person) => cut(gateway.simulator.phoneData(APPID, person), 16)],
    ['that was cut inside a block', 'A0240', (person) => cut(gateway.simulator.phoneData(APPID, person), 3)],
    [
      'with another iv',
      'A0240',
      (person) => ({ ...gateway.simulator.phoneData(APPID, person), iv: Buffer.alloc(16, 7).toString('base64') }),
    ],
    [
      'that is no JSON inside',
      'A0240',
      (person) => encryptOpenData('not JSON', gateway.simulator.sessionKeyOf(APPID, person)),
    ],
    ['whose plus became a space', 'A0400', (person) => spaced(gateway.simulator.phoneData(APPID, person))],
    [
      'with an iv of another length',
      'A0400',
      (person) => ({ ...gateway.simulator.phoneData(APPID, person), iv: 'AAAA' }),
    ],
  ]
  test.each(cases)('%s is refused with %s', async (name, code, broken) => {
    const token = await tokenOf(name)
    const reply = await give(token, broken(name))
    expect(reply.body.code).toBe(code)
    expect((await gateway.call('GET', '/api/user', { token })).body.data.phone).toBeNull()
  })

  test('that is half there, or nothing at all, names what is missing', async () => {
    const token = await tokenOf('half')
    const { encryptedData, iv } = gateway.simulator.phoneData(APPID, 'half')
    expect((await give(token, { encryptedData })).body.fields).toEqual({ iv: expect.any(String) })
    expect((await give(token, { iv })).body.fields).toEqual({ encryptedData: expect.any(String) })
    expect((await give(token, {})).body.fields).toEqual({ code: expect.any(String) })
  })
})

function cut({ encryptedData, iv }: { encryptedData: string; iv: string }, bytes: number) {
  return { encryptedData: Buffer.from(encryptedData, 'base64').subarray(0, -bytes).toString('base64'), iv }
}

function spaced({ encryptedData, iv }: { encryptedData: string; iv: string }) {
  return { encryptedData: `${encryptedData.slice(0, 20)} ${encryptedData.slice(21)}`, iv }
}
