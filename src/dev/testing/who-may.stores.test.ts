/** Who may do what, and what is on record: hidden characters, names that are code, service tokens that are none, reads of people. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { encryptOpenData, signRawData } from '../simulator/wechat-crypto.ts'
import { APPID, startTestGateway, type TestGateway } from './test-gateway.ts'

const BOSS = 'operator-boss-0123456789-0123456789'
const DATA = 'a-service-token-for-open-data-0000000000'
let gateway: TestGateway
beforeAll(async () => {
  gateway = await startTestGateway({
    environment: { ADMIN_TOKENS: `boss:admin:${BOSS},opener:open-data:${DATA}`, TEXT_CHECK: 'on' },
  })
})
afterAll(() => gateway.close())

type Audited = { kind: string; user_id: string | null; actor: string; detail: unknown }
const audited = async (kind: string) =>
  await gateway.stores.database.run<Audited>(
    {
      name: `audited ${kind}`,
      text: `select kind, user_id, actor, detail from audit_events where kind = '${kind}' order by at, id`,
    },
    [],
  )
const tokenOf = async (person: string) => (await gateway.login(person)).body.data.token as string

describe('control characters and such as turn the direction of a text', () => {
  const hidden = ['a\u0007b', 'a\nb', 'a\u0085b', 'a\u2028b', 'admin\u202egpj.exe', '\u2066x\u2069y', 'a\u007fb']

  test.each(hidden)('%j as a nickname that is typed is 400 with the field', async (nickname) => {
    const reply = await gateway.call('PATCH', '/api/user', { token: await tokenOf('typist'), body: { nickname } })
    expect([reply.status, Object.keys(reply.body.fields ?? {})]).toEqual([400, ['nickname']])
  })

  test.each(['address', 'signature'])('an override is refused in the %s too, which may have lines', async (field) => {
    const token = await tokenOf('typist')
    const change = (text: string) => gateway.call('PATCH', '/api/user', { token, body: { [field]: text } })
    expect((await change('one\u202etwo')).body.fields).toHaveProperty(field)
    expect((await change('one\ntwo')).body.data[field]).toBe('one\ntwo')
  })

  test('joined emoji and text from right to left stay as they are', async () => {
    const nickname = '👨‍👩‍👧 שלום نص'
    const reply = await gateway.call('PATCH', '/api/user', { token: await tokenOf('typist'), body: { nickname } })
    expect(reply.body.data.nickname).toBe(nickname)
  })

  test.each(hidden)('%j as the nickname of a login is dropped, and the login succeeds', async (nickName) => {
    const reply = await gateway.login(`plain ${JSON.stringify(nickName)}`, { userinfo: { nickName } })
    expect([reply.status, reply.body.data.nickname]).toEqual([200, null])
  })

  test('in the name of a device they are left out', async () => {
    const { token } = (await gateway.login('device', { device: 'Pixel\u202e 9\u0007' })).body.data
    expect((await gateway.call('GET', '/api/sessions', { token })).body.data[0].device).toBe('Pixel 9')
  })
})

describe('with the text check on, a risky nickname of a login is dropped', () => {
  test('by plain userinfo', async () => {
    const reply = await gateway.login('plain and risky', { userinfo: { nickName: 'so [risky]' } })
    expect([reply.status, reply.body.data.nickname]).toEqual([200, null])
    const good = await gateway.login('plain and good', { userinfo: { nickName: 'so nice' } })
    expect(good.body.data.nickname).toBe('so nice')
  })

  test.each(['rawData', 'encryptedData'])('by %s', async (way) => {
    const login = async (person: string, nickName: string) => {
      const code = gateway.simulator.login(APPID, person)
      const signed = gateway.simulator.userInfo(APPID, person, { profile: { nickName } })
      const { rawData, signature, encryptedData, iv } = signed
      return await gateway.post('/api/login', {
        code,
        ...(way === 'rawData' ? { rawData, signature } : { encryptedData, iv }),
      })
    }
    expect((await login(`risky by ${way}`, 'so [risky]')).body).toMatchObject({
      code: '00000',
      data: { nickname: null },
    })
    expect((await login(`good by ${way}`, 'so nice')).body).toMatchObject({
      code: '00000',
      data: { nickname: 'so nice' },
    })
  })
})

test('a field named as something that every object has is named in the refusal', async () => {
  const body = '{"__proto__":1,"constructor":2,"toString":3,"hasOwnProperty":4}'
  const reply = await gateway.call('PATCH', '/api/user', { token: await tokenOf('prototype'), body })
  expect(reply.status).toBe(400)
  expect(Object.keys(reply.body.fields ?? {}).sort()).toEqual([
    '__proto__',
    'constructor',
    'hasOwnProperty',
    'toString',
  ])
})

test.each(['a b', 'línea', 'code\u0000', '码', `<script>${' '}`])(
  'the code %j, which no platform gives, is 400 with the field and asks no platform',
  async (code) => {
    const calls = async () =>
      (await (await gateway.internalApp.request('/metrics')).text()).match(/operation="exchange".*/g)
    const before = await calls()
    const reply = await gateway.post('/api/login', { code })
    expect([reply.status, Object.keys(reply.body.fields ?? {})]).toEqual([400, ['code']])
    expect(await calls()).toEqual(before)
  },
)

describe('the operators and services', () => {
  test('a wrong service token is counted, and on record without the token; too many of one address are 429', async () => {
    const wrong = 'wrong-wrong-wrong-wrong-wrong-wrong-0001'
    const statuses = []
    for (let turn = 0; turn < 124; turn += 1)
      statuses.push((await gateway.internal('GET', '/admin/users', { token: wrong })).status)
    expect(new Set(statuses.slice(0, 120))).toEqual(new Set([401]))
    expect(statuses.slice(120)).toEqual([429, 429, 429, 429])
    const metrics = await (await gateway.internalApp.request('/metrics')).text()
    expect(metrics).toMatch(/^gateway_unknown_service_tokens_total 124$/m)
    await expect.poll(async () => (await audited('service_token_refused')).length).toBe(120)
    expect(JSON.stringify(await audited('service_token_refused')) + gateway.logs()).not.toContain(wrong)
    expect((await gateway.internal('GET', '/admin/users', { token: BOSS })).status).toBe(200)
  })

  test('searches and reads of users are on record, with what was searched by and not what for', async () => {
    const { user_id } = (await gateway.login('looked at')).body.data
    await gateway.internal('GET', '/admin/users?nickname=Somebody', { token: BOSS })
    await gateway.internal('GET', `/admin/users/${user_id}`, { token: BOSS })
    await expect
      .poll(async () => (await audited('user_read')).at(-1))
      .toMatchObject({ user_id, actor: 'operator:boss' })
    expect((await audited('users_searched')).at(-1)?.detail).toEqual({ by: ['nickname'] })
  })

  test('open data that a service reads is on record', async () => {
    const person = 'opened'
    const { user_id } = (await gateway.login(person)).body.data
    const { encryptedData, iv } = gateway.simulator.userInfo(APPID, person)
    const opened = await gateway.internal('POST', '/internal/open-data', {
      token: DATA,
      body: { user_id, appid: APPID, encryptedData, iv },
    })
    expect(opened.status).toBe(200)
    await expect
      .poll(async () => (await audited('open_data_read')).at(-1))
      .toMatchObject({ user_id, actor: 'service:opener' })
  })
})

describe('odd input of a login is dropped or read for what it means, and the login succeeds', () => {
  test.each<[string, object, string | null]>([
    ['gender "f"', { nickName: 'f', gender: 'f' }, 'f'],
    ['gender ""', { nickName: 'g', gender: '' }, 'g'],
    ['51 characters', { nickName: 'x'.repeat(51) }, null],
    ['50 emoji', { nickName: '😀'.repeat(50) }, '😀'.repeat(50)],
    ['a data URL', { nickName: 'd', avatarUrl: `data:image/png;base64,${'A'.repeat(2000)}` }, 'd'],
    ['the name that Baidu gives who is anonymous', { nickName: '百度网友' }, null],
  ])('%s', async (what, userinfo, nickname) => {
    const reply = await gateway.login(what, { userinfo })
    expect([reply.status, reply.body.data?.nickname]).toEqual([200, nickname])
  })

  test('half an emoji', async () => {
    const code = gateway.simulator.login(APPID, 'half an emoji')
    const reply = await gateway.post('/api/login', `{"code":"${code}","userinfo":{"nickName":"a\\ud83d","gender":1}}`)
    expect([reply.status, reply.body.data?.nickname]).toEqual([200, null])
  })

  test.each(['rawData', 'encryptedData'])('control characters as they are in signed JSON, by %s', async (way) => {
    const person = `raw control by ${way}`
    await gateway.login(person)
    const code = gateway.simulator.login(APPID, person)
    const key = gateway.simulator.sessionKeyOf(APPID, person)
    const watermark = { appid: APPID, timestamp: Math.floor(Date.now() / 1000) }
    const text = JSON.stringify({ nickName: 'two words', watermark }).replace('two words', 'two\u0001words')
    const body = way === 'rawData' ? { rawData: text, signature: signRawData(text, key) } : encryptOpenData(text, key)
    const reply = await gateway.post('/api/login', { code, ...body })
    expect(reply.body).toMatchObject({ code: '00000', data: { nickname: 'two words' } })
  })
})
