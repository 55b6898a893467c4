/** Replies of platforms in the forms that their documents do not show, and what becomes of them. */
import { generateKeyPairSync } from 'node:crypto'
import { expect, test } from 'vitest'
import { testClock } from '../clock.ts'
import type { AppConfig } from '../config/config.ts'
import { createSealer } from '../crypto/seal.ts'
import { createMemoryCache } from '../storage/cache.memory.ts'
import { createAlipay } from './alipay.ts'
import { createDouyin } from './douyin.ts'
import type { Send } from './fetch-json.ts'
import { createKuaishou } from './kuaishou.ts'
import type { Platform, PlatformError } from './platform.ts'
import type { PageParts } from './reply.ts'
import { createWechat } from './wechat.ts'
import { createWecom } from './wecom.ts'
import { createXiaohongshu } from './xiaohongshu.ts'

const clock = testClock()
const pem = (key: { export(options: object): unknown }, type: string) => String(key.export({ type, format: 'pem' }))
const own = generateKeyPairSync('rsa', { modulusLength: 2048 })
const theirs = generateKeyPairSync('rsa', { modulusLength: 2048 })
const app = (platform: AppConfig['platform']): AppConfig => ({
  platform,
  appid: 'app-1',
  secret: platform === 'alipay' ? pem(own.privateKey, 'pkcs8') : 'secret-1',
  ...(platform === 'alipay' ? { alipayPublicKey: pem(theirs.publicKey, 'spki') } : {}),
  ...(platform === 'wecom' ? { corpid: 'ww-ours' } : {}),
})

/** A platform that answers each path with this reply. */
function answering(create: (parts: PageParts) => Platform, replies: Record<string, object>, apiBase?: string) {
  const urls: string[] = []
  const send: Send = async ({ url }) => {
    urls.push(url)
    const path = Object.keys(replies).find((one) => url.includes(one)) ?? ''
    return { status: 200, text: JSON.stringify(replies[path]) }
  }
  const sealer = createSealer([{ id: 'k1', secret: Buffer.alloc(32) }])
  return { platform: create({ send, apiBase, cache: createMemoryCache({ clock }), sealer, clock }), urls }
}
const outcomeOf = async (platform: Platform) =>
  await platform.exchange(app(platform.name), 'code').then(
    (exchange) => exchange,
    ({ code, refusal, errcode }: PlatformError) => ({ code, refusal, errcode }),
  )
const refusedCode = { code: 'A0223', refusal: 'code_invalid' }

test.each<[string, (parts: PageParts) => Platform, object]>([
  ['Douyin, version 1', createDouyin, { error: 1, errcode: 40018, errmsg: 'bad code' }],
  ['Douyin, inside data', createDouyin, { data: { error_code: 40018, description: 'bad code' } }],
  ['Kuaishou, by error_code', createKuaishou, { error_code: 100200105, error_msg: 'code invalid' }],
  ['Kuaishou, as OAuth', createKuaishou, { error: 'invalid_grant', error_description: 'code expired' }],
  [
    'Alipay, unsigned inside the method member',
    createAlipay,
    { alipay_system_oauth_token_response: { code: '40002', sub_code: 'isv.code-invalid', msg: 'Invalid Arguments' } },
  ],
])('a code refused in another form (%s) is A0223 all the same', async (_, create, reply) => {
  expect(await outcomeOf(answering(create, { '': reply }).platform)).toMatchObject(refusedCode)
})

test('an unsigned success of Alipay still makes nobody a user', async () => {
  const reply = { alipay_system_oauth_token_response: { open_id: 'somebody', code: '10000' } }
  expect(await outcomeOf(answering(createAlipay, { '': reply }).platform)).toMatchObject({ code: 'C0001' })
})

test.each(['https://openapi.alipay.com', 'https://openapi.alipay.com/gateway.do'])('Alipay at %s', async (apiBase) => {
  const { platform, urls } = answering(createAlipay, { '': {} }, apiBase)
  await outcomeOf(platform)
  expect(urls[0]).toMatch(/^https:\/\/openapi\.alipay\.com\/gateway\.do\?/)
})

test('Xiaohongshu is sent the appid by both of its names, and 410004 is about the code', async () => {
  const { platform, urls } = answering(createXiaohongshu, {
    '/token': { success: true, code: 0, data: { access_token: 't', expire_in: 7200 } },
    '/session': { success: false, code: 410004, msg: 'code', data: null },
  })
  expect(await outcomeOf(platform)).toMatchObject(refusedCode)
  const { searchParams } = new URL(urls.at(-1) ?? '')
  expect([searchParams.get('app_id'), searchParams.get('appid')]).toEqual(['app-1', 'app-1'])
})

test.each([
  ['ww-ours', { openid: 'ww-ours/member' }],
  ['ww-another', { code: 'A0312', refusal: 'identity_mismatch' }],
])('a member of the company %s', async (corpid, outcome) => {
  const { platform } = answering(createWecom, {
    '/gettoken': { errcode: 0, access_token: 't', expires_in: 7200 },
    '/jscode2session': { errcode: 0, corpid, userid: 'member', session_key: 'k' },
  })
  expect(await outcomeOf(platform)).toMatchObject(outcome)
})

test.each([
  [
    { errcode: 40164, errmsg: 'invalid ip 203.0.113.9 ipv6 ::ffff:203.0.113.9, not in whitelist rid: 6112-77aa-1b2c' },
    'code2Session: refused 40164 (from 203.0.113.9, rid 6112-77aa-1b2c)',
  ],
  [{ errcode: 40125, errmsg: 'invalid appsecret, hints: [ req_id: N37KMa0605th21 ]' }, 'rid N37KMa0605th21'],
])('what an operator needs of a refusal is in the alert: %j', async (reply, words) => {
  const { platform } = answering(
    ({ send }) => createWechat({ send, apiBase: 'https://a.example', userApi: () => ({}) }),
    {
      '': reply,
    },
  )
  const error = await platform.exchange(app('wechat'), 'code').catch((thrown: PlatformError) => thrown)
  expect((error as PlatformError).alert).toContain(words)
  expect((error as PlatformError).message).toContain(words)
})

test('words of a refusal that are no address and no id stay out of the log', async () => {
  const reply = { errcode: 40125, errmsg: 'secret-1 of app-1 is wrong; rid: <script>' }
  const { platform } = answering(
    ({ send }) => createWechat({ send, apiBase: 'https://a.example', userApi: () => ({}) }),
    {
      '': reply,
    },
  )
  const error = await platform.exchange(app('wechat'), 'code').catch((thrown: PlatformError) => thrown)
  expect((error as PlatformError).message).toBe('code2Session: refused 40125')
})
