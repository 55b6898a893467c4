/** What APPS takes for each platform, and what it refuses by name without showing it. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { newRsaKeys } from '../../dev/simulator/alipay.ts'
import { ConfigError, loadConfig, otherPlatforms, wechatOauthNames } from './config.ts'

const environment = {
  ISSUER: 'https://auth.example.com',
  DATABASE_URL: 'postgres://unused',
  REDIS_URL: 'redis://unused',
  ENCRYPTION_KEYS: `k1:${Buffer.alloc(32, 1).toString('base64')}`,
}

const load = (apps: unknown, more: Record<string, string> = {}) =>
  loadConfig({ ...environment, APPS: JSON.stringify(apps), ...more })

function problems(apps: unknown, more: Record<string, string> = {}): string {
  try {
    load(apps, more)
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.join('\n')
    throw error
  }
  return ''
}

const own = newRsaKeys()
const theirs = newRsaKeys()
const alipay = {
  platform: 'alipay',
  appid: '2021000000000001',
  secret: own.privateKey,
  alipayPublicKey: theirs.publicKey,
}

test('Alipay takes its keys as PEM or as bare base64, as its key tool gives them', () => {
  const bare = own.privateKey.replace(/-----[^-]+-----|\s/g, '')
  const pem = `-----BEGIN PUBLIC KEY-----\n${theirs.publicKey}\n-----END PUBLIC KEY-----\n`
  expect(load([alipay, { ...alipay, appid: 'b', secret: bare, alipayPublicKey: pem }]).apps).toHaveLength(2)
})

test('keys that are missing, mixed up or not keys are named and not shown', () => {
  expect(problems([{ ...alipay, alipayPublicKey: undefined }])).toContain('APPS: 0.alipayPublicKey: must be')
  expect(problems([{ ...alipay, alipayPublicKey: own.privateKey }])).toContain('0.alipayPublicKey')
  const wrong = problems([{ ...alipay, secret: theirs.publicKey }])
  expect(wrong).toContain('0.secret: must be')
  expect(wrong).not.toContain(theirs.publicKey.slice(0, 20))
  expect(problems([{ ...alipay, secret: 'an-ordinary-secret' }])).toContain('0.secret')
})

test('what belongs to one platform is refused for the others', () => {
  expect(problems([{ platform: 'wecom', appid: 'wx1', secret: 's' }])).toContain('0.corpid: is required')
  expect(problems([{ platform: 'qq', appid: '1', secret: 's', corpid: 'ww1' }])).toContain('0.corpid: is for')
  expect(problems([{ platform: 'douyin', appid: 'tt1', secret: 's', alipayPublicKey: 'x' }])).toContain('is for')
  expect(problems([{ platform: 'wecom', appid: 'wx1', secret: 's', corpid: 'ww/1' }])).toContain('0.corpid: must be')
  expect(problems([{ platform: 'jd', appid: '1', secret: 's' }])).toContain('0.platform')
})

test('a union is of one kind of unionid: all of WeChat together, and no other platform with it', () => {
  const app = (platform: string, appid: string) => ({ platform, appid, secret: 's', union: 'acme' })
  const family = ['wechat', 'wechat-page', 'wechat-web', 'wechat-app'].map((name, n) => app(name, `wx${n}`))
  expect(load(family).apps).toHaveLength(4)
  for (const other of ['qq', 'douyin'])
    expect(problems([...family, app(other, 'x')])).toContain('the union "acme" is of several platforms')
})

test('where a browser may be sent is exact: https, no fragment, for apps that a browser logs in to', () => {
  const page = (redirects: unknown, platform = 'wechat-page') => [{ platform, appid: 'wx1', secret: 's', redirects }]
  const good = ['https://www.example.com/', 'https://www.example.com/a?b=c', 'http://localhost:3000/x']
  expect(load(page(good)).apps[0]?.redirects).toEqual(good)
  const bad = [
    'http://www.example.com/',
    'https://a/#x',
    'javascript:alert(1)',
    'https://u:p@a/',
    '/relative',
    'https:a',
    '',
  ]
  for (const text of bad)
    expect([text, problems(page([text]))]).toEqual([text, expect.stringContaining('0.redirects.0')])
  expect(problems(page([]))).toContain('redirects')
  for (const platform of ['wechat', 'wechat-app', 'qq'])
    expect(problems(page(good, platform))).toContain('0.redirects: is for')
})

test('a platform may be reached elsewhere, over https or on this machine', () => {
  const app = [{ platform: 'qq', appid: '1', secret: 's' }]
  const bases = (value: unknown) => ({ PLATFORM_API_BASES: JSON.stringify(value) })
  expect(load(app, bases({ qq: 'http://127.0.0.1:8082' })).platformApiBases).toEqual({ qq: 'http://127.0.0.1:8082' })
  expect(load(app).platformApiBases).toEqual({})
  expect(problems(app, bases({ qq: 'http://api.example.com' }))).toContain('PLATFORM_API_BASES: qq: must be an https')
  expect(problems(app, bases({ wechat: 'https://api.example.com' }))).toContain('PLATFORM_API_BASES')
  expect(problems(app, { PLATFORM_API_BASES: 'https://x' })).toContain('PLATFORM_API_BASES: is not JSON')
})

test('every entry that docs/platforms.md shows can be pasted, with real keys for Alipay', () => {
  const page = readFileSync(new URL('../../../docs/platforms.md', import.meta.url), 'utf8')
  const shown = [...page.matchAll(/```json\n([\s\S]*?)```/g)].map(([, json]) => JSON.parse(json ?? ''))
  const apps = shown.map((app) => (app.platform === 'alipay' ? { ...app, ...alipay } : app))
  const pasted = apps.map((app) => (app.platform === 'baidu' ? { ...app, appid: 'anAppKey' } : app))
  expect(
    load(pasted)
      .apps.map(({ platform }) => platform)
      .sort(),
  ).toEqual([...otherPlatforms, ...wechatOauthNames].sort())
  for (const app of shown)
    expect(Object.keys(app).sort()).toEqual(Object.keys(pasted.find((one) => one.platform === app.platform)).sort())
})

test("the app's own public key in the place of Alipay's is noticed at the start", () => {
  const { publicKey } = own
  expect(problems([{ ...alipay, alipayPublicKey: publicKey }])).toMatch(/alipayPublicKey.*own public key/)
})

test.each(['  secret-1', 'secret-1\n', '\ufeffsecret-1\r\n', '\tsecret-1 '])(
  'what a copied line leaves around a secret is not part of it: %j',
  (secret) => {
    expect(load([{ appid: 'wx1', secret }]).apps[0]?.secret).toBe('secret-1')
    const short = loadConfig({ ...environment, WECHAT_APPID: 'wx1', WECHAT_SECRET: secret })
    expect(short.apps[0]?.secret).toBe('secret-1')
  },
)

test('a blank inside a secret is refused by name, without showing it', () => {
  expect(problems([{ appid: 'wx1', secret: 'sec ret' }])).toMatch(/secret: must not hold blanks/)
  expect(problems([{ appid: 'wx1', secret: 'sec ret' }])).not.toContain('sec ret')
})
