/** The sample mini program, run as WeChat runs it against a whole gateway, and held to what WeChat DevTools demands of its files. */
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Hono } from 'hono'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { createServices, type Sign } from '../src/dev/playground/services.ts'
import { freePort } from '../src/dev/services/service.ts'
import { picture } from '../src/dev/testing/pictures.ts'
import { APPID, startTestGateway, type TestGateway } from '../src/dev/testing/test-gateway.ts'
import { createVerifier, type Verifier } from '../src/sdk/verifier/verifier.ts'
import { type Listener, listen } from '../src/server/serve/listeners.ts'
import { createPhone, hasOfficialCompiler, sample } from './miniprogram.test-support.ts'

const SHOP_TOKEN = 'token-of-the-shop-0123456789-0123456789'
const PHOTO = 'http://tmp/photo.png'

let gateway: TestGateway
let listener: Listener
let pictures: string
let photo: Buffer
let phone: ReturnType<typeof createPhone>
let shop: Verifier
/** What happens between the shop's signature and the payment. */
let beforePayment: () => void
/** WeChat's answers to payments: `ok` or an error code. */
let payments: (number | 'ok')[]
let person: string
/** A number belongs to one user. */
let number: string
let people = 0
/** What the phone button's event holds. */
let phoneNumber: () => object

beforeAll(async () => {
  pictures = mkdtempSync(join(tmpdir(), 'miniprogram-pictures-'))
  const port = await freePort()
  const environment = {
    ISSUER: `http://127.0.0.1:${port}`,
    AVATAR_STORE: pathToFileURL(pictures).href,
    TRUSTED_PROXY_HOPS: '1',
    ADMIN_TOKENS: `shop:sign:${SHOP_TOKEN}`,
    CLIENTS: '[{"id":"h5","name":"H5","kind":"web"},{"id":"pc","name":"Back office","kind":"device"}]',
  }
  gateway = await startTestGateway({ environment })
  const { issuer } = gateway.config
  const audience = issuer
  shop = createVerifier({ issuer, audience })
  const services = createServices({ verifier: shop, issuer, baseUrl: issuer, appid: APPID, sign })
  const app = new Hono().route('/playground/business', services.business)
  app.all('*', (c) => gateway.publicApp.fetch(c.req.raw, c.env as object))
  listener = await listen(app, { host: '127.0.0.1', port })
  photo = await picture({ width: 64, height: 64 }).png().toBuffer()
})
const sign: Sign = async (body) => {
  const reply = await gateway.internal('POST', '/internal/user-signature', { token: SHOP_TOKEN, body })
  return { status: reply.status, ...reply.body, ...reply.body.data }
}
afterAll(async () => {
  shop.close()
  await listener.close(1000)
  await gateway.close()
  rmSync(pictures, { recursive: true })
})

beforeEach(() => {
  // The program warns of every failure that a test brings about.
  vi.spyOn(console, 'warn').mockImplementation(() => {})
  person = `person-${++people}`
  number = `${13800138000 + people}`
  beforePayment = () => undefined
  payments = []
  phoneNumber = () => ({ code: gateway.simulator.phoneCode(APPID, person, number), errMsg: 'getPhoneNumber:ok' })
  phone = createPhone({
    baseURL: listener.url,
    appid: APPID,
    login: () => gateway.simulator.login(APPID, person),
    phoneNumber: () => phoneNumber(),
    pay(payment) {
      beforePayment()
      const answer = gateway.simulator.requestVirtualPayment(APPID, person, payment)
      payments.push(answer.errCode ?? 'ok')
      return answer
    },
    files: { [PHOTO]: photo },
  })
})
afterEach(() => {
  phone.close()
  vi.restoreAllMocks()
})

const shows = (text: string) => expect.poll(phone.text).toContain(text)
const hides = (text: string) => expect.poll(phone.text).not.toContain(text)
const says = (text: string) => expect.poll(() => phone.toasts).toContain(text)
const attributeOf = (tag: string, name: string) => phone.drawn().find((node) => node.tag === tag)?.attrs[name]

/** Another device of the same person. */
async function signInElsewhere(device: string): Promise<string> {
  const reply = await gateway.login(person, { device })
  return reply.body.data.refresh_token
}
const refresh = async (refreshToken: string) =>
  (await gateway.post('/api/refresh', { refresh_token: refreshToken })).status

async function openSignedIn(page?: string): Promise<void> {
  phone.start()
  await shows('绑定手机号')
  if (page !== undefined) phone.tap(page)
}

describe('the user', () => {
  test('is signed in when the program opens, without a tap and by one wx.login', async () => {
    phone.start()
    expect(phone.text()).toContain('未登录')
    await shows('未设置昵称')
    const { body } = await gateway.login(person)
    expect(phone.text()).toContain(body.data.user_id)
    expect(phone.controls.counts.logins).toBe(1)
    expect(phone.toasts).toEqual([])
  })

  test('is there at once when the program opens again, even without a network', async () => {
    await openSignedIn()
    phone.controls.offline = true
    phone.start()
    expect(phone.text()).toContain('绑定手机号')
    await says('网络异常')
  })

  test('who logged out stays so when the program opens again, until they ask to log in', async () => {
    await openSignedIn('登录设备')
    await shows('本机')
    phone.tap('退出登录')
    await expect.poll(phone.path).toBe('pages/index/index')
    await shows('未登录')
    // After some days, when WeChat has forgotten the session_key.
    phone.controls.sessionKeyExpired = true
    phone.start()
    // A login would be under way by now.
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect(phone.text()).toContain('未登录')
    expect(phone.controls.counts.logins).toBe(1)
    expect(phone.toasts).toEqual([])
    phone.tap('登录')
    await shows('绑定手机号')
  })

  test('sees what is wrong without a network, and a tap helps once it is back', async () => {
    phone.controls.offline = true
    phone.start()
    await says('登录失败')
    expect(phone.text()).toContain('未登录')
    phone.controls.offline = false
    phone.tap('登录')
    await shows('绑定手机号')
  })
})

describe('other screens', () => {
  /** A device of its own, or one that stands behind the proxy at `from`. */
  const form = async (path: string, fields: Record<string, string>, from?: string) => {
    const body = new URLSearchParams(fields)
    const headers = { 'user-agent': 'A browser on the desk', ...(from && { 'x-forwarded-for': from }) }
    return (await (await fetch(listener.url + path, { method: 'POST', headers, body })).json()) as Record<
      string,
      string
    >
  }
  const grant = 'urn:ietf:params:oauth:grant-type:device_code'
  async function scan({ from, secondsAgo = 0 }: { from?: string; secondsAgo?: number } = {}) {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() - secondsAgo * 1000 })
    const asked = await form('/oauth2/device_authorization', { client_id: 'pc' }, from)
    vi.useRealTimers()
    const { device_code = '', user_code = '' } = asked
    phone.open(`/pages/device/device?scene=${encodeURIComponent(user_code)}`)
    return { device_code, user_code }
  }
  const asks = '请求以你的身份登录'
  const poll = (device_code: string) => form('/oauth2/token', { grant_type: grant, client_id: 'pc', device_code })

  test('a login on another screen shows who asks, and is allowed once by two taps', async () => {
    await openSignedIn()
    const { device_code } = await scan()
    await shows(`Back office ${asks}`)
    expect(phone.text()).toContain('A browser on the desk')
    expect(phone.text()).not.toMatch(/已经有一会儿了|不同的网络/)
    phone.tap('允许登录')
    phone.tap('允许登录')
    await shows('已允许登录')
    const grants = await Promise.all([poll(device_code), poll(device_code)])
    expect(grants.map(({ token_type, error }) => token_type ?? error).sort()).toEqual(['Bearer', 'invalid_grant'])
    expect(phone.toasts).toEqual([])
  })

  test('one that was refused stays refused: the device hears it, and the code can be confirmed no more', async () => {
    await openSignedIn()
    const { device_code, user_code } = await scan()
    await shows(asks)
    phone.tap('拒绝')
    await shows('已拒绝')
    expect(await poll(device_code)).toMatchObject({ error: 'access_denied' })
    phone.open(`/pages/device/device?scene=${encodeURIComponent(user_code)}`)
    await says('请求的内容不存在')
    expect(phone.text()).toContain('没有等待确认的登录')
    ;(phone.instance().allow as () => void)()
    await expect.poll(() => phone.toasts.length).toBe(2)
    expect(await poll(device_code)).toMatchObject({ error: 'access_denied' })
  })

  const old = [
    '这个请求已经有一会儿了：如果不是你刚刚扫的码，请拒绝',
    'This request has waited for a while: refuse it unless',
  ] as const
  const elsewhere = [
    '请求来自与你的手机不同的网络：请确认设备就在你面前',
    'from another network than your phone: make sure',
  ] as const
  test.each([
    ['zh_CN', 0, asks, '允许登录'],
    ['en', 1, 'asks to log in as you', 'Allow'],
  ] as const)(
    'in %s the person is warned of a request that is old, from elsewhere, or both',
    async (language, index, question, allow) => {
      phone.controls.language = language
      await openSignedIn()
      const warnings = async (request: Parameters<typeof scan>[0]) => {
        await scan(request)
        await shows(question)
        return [old, elsewhere].map((words) => phone.text().includes(words[index]))
      }
      expect(await warnings({ secondsAgo: 115 })).toEqual([false, false])
      expect(await warnings({ secondsAgo: 125 })).toEqual([true, false])
      expect(await warnings({ from: '198.51.100.7' })).toEqual([false, true])
      expect(await warnings({ secondsAgo: 300, from: '198.51.100.7' })).toEqual([true, true])
      // It warns; the person decides.
      phone.tap(allow)
      await hides(question)
      expect(phone.toasts).toEqual([])
    },
  )

  test('the H5 page opens with a ticket of this user', async () => {
    await openSignedIn('打开网页')
    await expect
      .poll(() => String((phone.instance().data as { address: string }).address))
      .toMatch(/#ticket=t1\.[\w-]{22}$/)
    const [, ticket] = String((phone.instance().data as { address: string }).address).split('#ticket=')
    const { body } = await gateway.post('/api/login', { ticket })
    const { body: own } = await gateway.login(person)
    expect(body.data.user_id).toBe(own.data.user_id)
  })
})

describe('the shop', () => {
  const label = '买一罐茉莉花茶'
  /** Another program of the same account has called wx.login: WeChat has a newer session_key than the gateway. */
  const renewElsewhere = () => void gateway.simulator.login(APPID, person)
  const signatures = async () => {
    const text = "select count(*)::int as n from audit_events where kind = 'user_state_signed'"
    return (await gateway.stores.database.run<{ n: number }>({ name: 'signatures', text }, []))[0]?.n ?? 0
  }

  test('sells by a tap, with a signature that WeChat takes', async () => {
    await openSignedIn('买茶')
    await shows('乌龙茶')
    phone.tap(label)
    await shows('支付成功')
    expect(phone.text()).toContain('茉莉花茶 Jasmine tea')
    expect([payments, phone.controls.counts.logins, phone.toasts]).toEqual([['ok'], 1, []])
  })

  test('renews a session_key that was stale before the signature, and sells by the same tap', async () => {
    await openSignedIn('买茶')
    await shows('乌龙茶')
    renewElsewhere()
    phone.tap(label)
    await shows('支付成功')
    expect([payments, phone.controls.counts.logins, phone.toasts]).toEqual([['ok'], 2, []])
  })

  test('renews one that WeChat refused with -15005, and sells by the same tap; a second refusal is the end', async () => {
    await openSignedIn('买茶')
    await shows('乌龙茶')
    beforePayment = () => {
      if (payments.length === 0) renewElsewhere()
    }
    phone.tap(label)
    await shows('支付成功')
    expect([payments, phone.controls.counts.logins, phone.toasts]).toEqual([[-15005, 'ok'], 2, []])

    beforePayment = renewElsewhere
    phone.tap(label)
    await says('支付未完成')
    expect(payments).toEqual([-15005, 'ok', -15005, -15005])
    await expect.poll(signatures).toBeGreaterThanOrEqual(4)
  })
})

describe('the phone button', () => {
  test('shows the number that it binds, when the program opens again too', async () => {
    await openSignedIn()
    phone.tap('绑定手机号')
    await shows(number)
    phone.start()
    await shows(number)
  })

  test('works with the encrypted data of an old base library', async () => {
    await openSignedIn()
    phoneNumber = () => ({
      ...gateway.simulator.phoneData(APPID, person, { phone: number }),
      errMsg: 'getPhoneNumber:ok',
    })
    phone.tap('绑定手机号')
    await shows(number)
  })

  test('says so when the user refuses, and asks for another tap when the code was spent', async () => {
    await openSignedIn()
    phoneNumber = () => ({ errMsg: 'getPhoneNumber:fail user deny' })
    phone.tap('绑定手机号')
    await says('未获得手机号')
    phoneNumber = () => ({ code: 'no-such-code', errMsg: 'getPhoneNumber:ok' })
    phone.tap('绑定手机号')
    await says('请再点一次')
  })
})

describe('the profile page', () => {
  test('saves nickname and signature, and the first page knows the new nickname', async () => {
    await openSignedIn('个人资料')
    await shows('保存')
    phone.type('nickname', '小明')
    phone.type('signature', '你好')
    phone.tap('保存')
    await expect.poll(() => attributeOf('input', 'value')).toBe('小明')
    phone.back()
    await shows('小明')
  })

  test('uploads the chosen avatar and shows it from where others can fetch it', async () => {
    await openSignedIn('个人资料')
    await shows('保存')
    expect(attributeOf('image', 'src')).toBe('')
    phone.tap('')
    await expect.poll(() => attributeOf('image', 'src')).toMatch(/^http/)
    const reply = await fetch(String(attributeOf('image', 'src')))
    expect([reply.status, reply.headers.get('content-type')]).toEqual([200, expect.stringMatching(/^image\//)])
  })

  test('shows the gateway’s reason when it refuses, and lets the user try again', async () => {
    await openSignedIn('个人资料')
    await shows('保存')
    phone.type('nickname', '长'.repeat(51))
    phone.tap('保存')
    await expect.poll(() => phone.toasts).toHaveLength(1)
    expect(phone.toasts[0]).toMatch(/[\u4e00-\u9fff]/)
    phone.type('nickname', '小红')
    phone.tap('保存')
    await expect.poll(() => attributeOf('input', 'value')).toBe('小红')
    await expect.poll(() => phone.drawn().findLast(({ tag }) => tag === 'button')?.attrs.loading).toBe(false)
  })

  test('offers another try when there was no network', async () => {
    await openSignedIn()
    phone.controls.offline = true
    phone.tap('个人资料')
    await says('网络异常')
    phone.controls.offline = false
    phone.tap('重试')
    await shows('保存')
  })
})

describe('the page of sessions', () => {
  test('lists every device, and ends one', async () => {
    const tablet = await signInElsewhere('iPad')
    await openSignedIn('登录设备')
    await shows('iPad')
    expect(phone.text()).toContain('iPhone 15（本机）')
    phone.tap('下线')
    await hides('iPad')
    expect(phone.text()).toContain('iPhone 15（本机）')
    expect(await refresh(tablet)).toBe(401)
  })

  test('ends all others at once and stays signed in', async () => {
    const others = [await signInElsewhere('iPad'), await signInElsewhere('Mac')]
    await openSignedIn('登录设备')
    await shows('Mac')
    phone.tap('下线其他设备')
    await hides('Mac')
    expect(phone.text()).toContain('iPhone 15（本机）')
    expect(phone.text()).not.toContain('iPad')
    expect(await Promise.all(others.map(refresh))).toEqual([401, 401])
  })

  test('changes nothing without a network, and says so', async () => {
    await signInElsewhere('iPad')
    await openSignedIn('登录设备')
    await shows('iPad')
    phone.controls.offline = true
    phone.tap('下线')
    await says('网络异常')
    expect(phone.text()).toContain('iPad')
  })
})

describe('the files, as DevTools reads them', () => {
  const read = (file: string) => readFileSync(join(sample, file), 'utf8')
  const json = (file: string) => JSON.parse(read(file))
  const files = globSync('**/*.*', { cwd: sample })
  const pages: string[] = json('app.json').pages

  test('every page is listed once and has its script, markup and settings', () => {
    expect(pages.toSorted()).toEqual(
      globSync('pages/**/*.wxml', { cwd: sample })
        .map((file) => file.slice(0, -5))
        .sort(),
    )
    for (const page of pages) {
      for (const extension of ['js', 'wxml', 'json']) expect(files).toContain(`${page}.${extension}`)
      const components = Object.values<string>(json(`${page}.json`).usingComponents)
      for (const component of components) expect(files).toContain(`${join(page, '..', component)}.json`)
    }
    expect(json(json('app.json').sitemapLocation).rules).toEqual([expect.objectContaining({ page: '*' })])
  })

  test('the project is a mini program without an owner, and all of it that runs is uploaded, and nothing else', () => {
    const project = json('project.config.json')
    expect(project).toMatchObject({ compileType: 'miniprogram', appid: 'touristappid' })
    expect(project.libVersion).toMatch(/^\d+\.\d+\.\d+$/)
    const { ignore, include } = project.packOptions as { ignore: { type: string; value: string }[]; include: [] }
    expect(include).toEqual([])
    for (const { type } of ignore) expect(['suffix', 'file']).toContain(type)
    const isIgnored = (file: string) =>
      ignore.some(({ type, value }) => (type === 'suffix' ? file.endsWith(value) : file === value))
    const settings = ['app.json', 'sitemap.json', 'project.config.json', ...pages.map((page) => `${page}.json`)]
    for (const file of files)
      expect([file, !isIgnored(file)]).toEqual([file, /\.(js|wxml|wxss)$/.test(file) || settings.includes(file)])
  })

  test('every require leads to a file of the program', () => {
    const required = files
      .filter((file) => file.endsWith('.js'))
      .flatMap((file) => [...read(file).matchAll(/\brequire\('([^']+)'\)/g)].map(([, path = '']) => ({ file, path })))
    expect(required.length).toBeGreaterThan(5)
    for (const { file, path } of required) {
      expect(path).toMatch(/^\.{1,2}\//)
      expect(files).toContain(`${join(file, '..', path)}.js`)
    }
  })

  test.each(pages)('%s: every handler and value that its markup names is there', (page) => {
    phone.start()
    phone.open(page)
    const { data, ...methods } = phone.instance()
    const markup = read(`${page}.wxml`)
    const handlers = [...markup.matchAll(/\s(?:capture-)?(?:mut-)?(?:bind|catch):?\w+="(\w+)"/g)].map(
      ([, name = '']) => name,
    )
    expect(handlers.length).toBeGreaterThan(0)
    for (const name of handlers) expect(methods[name], name).toBeTypeOf('function')
    const ofLoops = markup.includes('wx:for=') ? ['item', 'index'] : []
    for (const [, expression = ''] of markup.matchAll(/\{\{(.*?)\}\}/g)) {
      // Names that stand for themselves: not within quotes, not members of others.
      for (const [name] of expression.replaceAll(/'[^']*'/g, '').matchAll(/(?<![\w.])[a-z_]\w*/gi)) {
        expect([...Object.keys(data), ...ofLoops], expression).toContain(name)
      }
    }
    for (const [, url = ''] of markup.matchAll(/<navigator[^>]*\surl="\/([^"?]*)/g)) expect(pages).toContain(url)
  })

  test.runIf(hasOfficialCompiler)('WeChat’s own compiler takes every page and style, and not just anything', () => {
    const compiler = createRequire(import.meta.url)('miniprogram-compiler')
    for (const page of pages) expect(compiler.wxmlToJs(sample)).toContain(`${page}.wxml`)
    expect(compiler.wxssToJs(sample)).toContain('app.wxss')
    const broken = mkdtempSync(join(tmpdir(), 'miniprogram-broken-'))
    writeFileSync(join(broken, 'page.wxml'), '<view>')
    expect(() => compiler.wxmlToJs(broken)).toThrow('end tag missing')
    writeFileSync(join(broken, 'page.wxml'), '<view></view>')
    writeFileSync(join(broken, 'page.wxss'), '.card { color: red; ')
    expect(() => compiler.wxssToJs(broken)).toThrow()
    rmSync(broken, { recursive: true })
  })
})
