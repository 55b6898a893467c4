/** What comes along with a login is believed only as far as it is signed: by this login's session_key, of this person, of this moment. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { newSessionKey } from '../../dev/simulator/wechat-crypto.ts'
import { APPID, startTestGateway, type TestGateway } from '../../dev/testing/test-gateway.ts'

let gateway: TestGateway
beforeAll(async () => {
  gateway = await startTestGateway()
})
afterAll(() => gateway.close())

const now = () => Math.floor(Date.now() / 1000)
type Options = NonNullable<Parameters<TestGateway['simulator']['userInfo']>[2]>

/** A fresh login of the person, with data that somebody signed or encrypted. */
async function login(person: string, way: 'rawData' | 'encryptedData', by: { person?: string } & Options = {}) {
  const code = gateway.simulator.login(APPID, person)
  const { person: signer = person, ...options } = by
  const nickName = `name by ${way}`
  const made = gateway.simulator.userInfo(APPID, signer, { profile: { nickName }, ...options })
  const { rawData, signature, encryptedData, iv } = made
  const body = way === 'rawData' ? { rawData, signature } : { encryptedData, iv }
  return { code, reply: await gateway.post('/api/login', { code, ...body }), body }
}

/** Refused by name, and nobody is made of it. */
async function expectRefused(person: string, reply: Awaited<ReturnType<typeof login>>['reply']) {
  expect([reply.status, reply.body.code, reply.body.data]).toEqual([400, 'A0340', null])
  const { is_new_user, nickname } = (await gateway.login(person)).body.data
  expect([is_new_user, nickname]).toEqual([true, null])
}

describe.each(['rawData', 'encryptedData'] as const)('%s', (way) => {
  test('of this login is believed', async () => {
    const { reply } = await login(`good ${way}`, way)
    expect([reply.status, reply.body.data.nickname]).toEqual([200, `name by ${way}`])
  })

  test('under another session_key is A0340', async () => {
    const person = `another key ${way}`
    await expectRefused(person, (await login(person, way, { sessionKey: newSessionKey() })).reply)
  })

  test("under another person's session_key is A0340", async () => {
    const person = `another person ${way}`
    await gateway.login('mallory')
    await expectRefused(person, (await login(person, way, { person: 'mallory' })).reply)
  })
})

test('rawData that was changed after it was signed is A0340', async () => {
  const code = gateway.simulator.login(APPID, 'changed')
  const { rawData, signature } = gateway.simulator.userInfo(APPID, 'changed', { profile: { nickName: 'signed' } })
  const reply = await gateway.post('/api/login', { code, rawData: rawData.replace('signed', 'forged'), signature })
  await expectRefused('changed', reply)
})

describe('encryptedData of this very key', () => {
  test('that names another openid is A0340', async () => {
    await gateway.login('mallory')
    const code = gateway.simulator.login(APPID, 'not mallory')
    const sessionKey = gateway.simulator.sessionKeyOf(APPID, 'not mallory')
    const { encryptedData, iv } = gateway.simulator.userInfo(APPID, 'mallory', { sessionKey })
    await expectRefused('not mallory', await gateway.post('/api/login', { code, encryptedData, iv }))
  })

  test.each([
    ['11 minutes old', () => ({ timestamp: now() - 660 })],
    ['two minutes ahead', () => ({ timestamp: now() + 120 })],
    ["another app's", () => ({ appid: 'wx0000000000000002' })],
  ])('whose watermark is %s is A0340', async (what, watermark) => {
    await expectRefused(what, (await login(what, 'encryptedData', { watermark: watermark() })).reply)
  })

  test('whose watermark is nine minutes old is believed', async () => {
    const { reply } = await login('slow', 'encryptedData', { watermark: { timestamp: now() - 540 } })
    expect(reply.status).toBe(200)
  })
})

describe('a picture is taken from the platform’s own host alone', () => {
  test.each([
    ['https://thirdwx.qlogo.cn/mmopen/a/132', 'https://thirdwx.qlogo.cn/mmopen/a/132'],
    ['http://wx.qlogo.cn/mmopen/a/132', 'https://wx.qlogo.cn/mmopen/a/132'],
    ['https://THIRDWX.QLOGO.CN/a', 'https://thirdwx.qlogo.cn/a'],
    ['https://wx.qlogo.cn.evil.example/a', null],
    ['https://evil.example/wx.qlogo.cn', null],
    ['https://evilqlogo.cn/a', null],
    ['https://wx.qlogo.cn@evil.example/a', null],
    ['https://evil.example/?.qlogo.cn', null],
    ['https://evil.example#.qlogo.cn', null],
    ['https://evil.example\\@wx.qlogo.cn/a', null],
    ['ftp://wx.qlogo.cn/a', null],
    ['javascript://wx.qlogo.cn/%0aalert(1)', null],
    ['//wx.qlogo.cn/a', null],
  ])('%s becomes %s', async (avatarUrl, shown) => {
    const { token } = (await gateway.login(avatarUrl, { userinfo: { avatarUrl } })).body.data
    expect((await gateway.call('GET', '/api/user', { token })).body.data.avatar).toBe(shown)
  })
})
