/** The playground as a visitor meets it, in a real Chromium: each promise of the page, in both languages and themes. */
import type { Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import {
  calls,
  phoneFails,
  phoneSays,
  ready,
  screenshot,
  seriousFindings,
  startPlayground,
  type Visit,
  windows,
} from '../testing/browser.ts'

let playground: Awaited<ReturnType<typeof startPlayground>>
const visits: Visit[] = []

beforeAll(async () => {
  playground = await startPlayground()
})
afterAll(() => playground?.stop())
afterEach(async () => {
  for (const visit of visits.splice(0)) await visit.close()
})

async function visit(...options: Parameters<typeof playground.visit>): Promise<Page> {
  const made = await playground.visit(...options)
  visits.push(made)
  return made.page
}

async function signIn(page: Page): Promise<void> {
  await page.click('#login')
  await phoneSays(page, '登录成功')
}

/** A new browser starts with all faults off, so a test need not clear up after itself. */
const switchOn = (page: Page, name: string) => page.getByRole('switch', { name }).check()

/** As the page of a PC does: this phone has no camera. */
const scan = (page: Page, userCode: string) =>
  page.evaluate(`new BroadcastChannel('playground').postMessage({ userCode: ${JSON.stringify(userCode)} })`)

describe('on a good day', () => {
  test('the SDK logs in, a business service accepts the token, and a refresh goes on with the session', async () => {
    const page = await visit()
    await signIn(page)
    await page.click('#orders')
    await phoneSays(page, '业务服务返回 1 个订单：乌龙茶')
    const claim = (name: string) => page.locator('#claims dt', { hasText: name }).locator('+ dd').textContent()
    const before = { sid: await claim('sid'), jti: await claim('jti') }
    await page.click('#refresh')
    await phoneSays(page, '令牌已刷新')

    expect(await claim('sid')).toBe(before.sid)
    expect(await claim('jti')).not.toBe(before.jti)
    expect(await claim('aud')).toBe(playground.origin)
    const own = (await calls(page, 'phone')).filter((call) => !call.includes('/api/sessions'))
    expect(own).toEqual([
      'wx.login 200',
      'POST /api/login 200',
      'GET /playground/business/orders 200',
      'POST /api/refresh 200',
    ])
    await expect.poll(() => calls(page, 'gateway')).toContain('GET /sns/jscode2session 200')
    await page.locator('#verdict[data-state=accepted]').waitFor()
    await page.locator('#keys', { hasText: '当前令牌用它签名' }).waitFor()
    await page.locator('#timeline summary', { hasText: '/api/refresh' }).click()
    await screenshot(page, 'zh-light')
  })

  test('no token, no session_key and no AppSecret is on the page in full', async () => {
    const page = await visit()
    await signIn(page)
    await page.click('#refresh')
    await phoneSays(page, '令牌已刷新')
    await page.locator('#timeline .by-gateway').first().waitFor()
    for (const entry of await page.locator('#timeline summary').all()) await entry.press('Enter')
    const text = (await page.locator('body').textContent()) ?? ''

    expect(text).toContain('"refresh_token"')
    expect(text).toContain('"session_key": "•••"')
    expect(text).toContain('&secret=•••&')
    const stored = JSON.stringify(await page.context().storageState())
    const secrets = [/"token\\":\\"([\w.-]+)/, /"refresh_token\\":\\"([\w.-]+)/].map((find) => find.exec(stored)?.[1])
    expect(secrets).toEqual([expect.stringMatching(/.{100}/), expect.stringMatching(/.{30}/)])
    for (const secret of [...secrets, 'development-only-secret']) expect(text).not.toContain(secret)
  })

  test('a session lives on when the page is loaded again', async () => {
    const page = await visit()
    await signIn(page)
    await page.reload()
    await ready(page)
    await page.click('#orders')
    await phoneSays(page, '业务服务返回')
    expect(await calls(page, 'phone')).not.toContain('wx.login 200')
  })

  test('one phone signs another out', async () => {
    const other = await visit()
    await other.selectOption('#person', 'carol')
    await signIn(other)
    const page = await visit()
    await page.selectOption('#person', 'carol')
    await signIn(page)
    await page.getByRole('button', { name: /让“.+”下线/ }).click()
    await phoneSays(page, '该设备已下线')
    expect(await page.locator('#session-list li').count()).toBe(1)
    await other.locator('#verdict[data-state=refused]', { hasText: 'session_ended' }).waitFor()
  })

  test('a nickname is kept', async () => {
    const page = await visit()
    await page.selectOption('#person', 'bob')
    await signIn(page)
    const form = page.locator('#nickname-form')
    await form.getByLabel('昵称').fill('小周')
    await form.getByRole('button', { name: '保存' }).click()
    await phoneSays(page, '已保存')
    await page.click('#refresh')
    await phoneSays(page, '令牌已刷新')
    expect(await page.locator('#user-name').textContent()).toBe('小周')
  })
})

describe('a session that ends', () => {
  test('by logout: the verifier refuses the old token within the promised time, and the page says after how long', async () => {
    const page = await visit()
    await signIn(page)
    await page.click('#logout')
    await phoneSays(page, '已退出登录')
    await page.locator('#verdict[data-state=refused]', { hasText: 'session_ended' }).waitFor()

    const noticed = (await page.locator('#stopwatch').textContent()) ?? ''
    expect(noticed).toMatch(/^\d+\.\d 秒后察觉$/)
    expect(Number.parseFloat(noticed)).toBeLessThan(playground.promisedSeconds)
    await page.click('#orders')
    await phoneFails(page, '已退出登录，请先登录')
  })

  test('by a replayed refresh token: thief and phone are both out, and the phone logs in again by itself', async () => {
    const page = await visit()
    await signIn(page)
    await page.click('#stolen')
    await phoneSays(page, '网关识破了重放（A0220）')
    await page.locator('#verdict[data-state=refused]', { hasText: 'session_ended' }).waitFor()
    await screenshot(page, 'replay')
    await page.click('#orders')
    await phoneSays(page, '业务服务返回')
    expect((await calls(page, 'phone')).slice(-5)).toEqual([
      'GET /playground/business/orders 401 A0230',
      expect.stringMatching(/^POST \/api\/refresh 401 A02[23]0$/),
      'wx.login 200',
      'POST /api/login 200',
      'GET /playground/business/orders 200',
    ])
  })
})

describe('on a bad day', () => {
  test('WeChat busy: the phone says so in Chinese, and logs in as soon as it is over', async () => {
    const page = await visit()
    await switchOn(page, '微信繁忙')
    await page.click('#login')
    await phoneFails(page, '平台服务异常，请稍后再试（C0001）')
    await expect.poll(() => calls(page, 'gateway')).toContain('GET /sns/jscode2session 200 errcode -1')
    await screenshot(page, 'wechat-busy')
    await page.getByRole('button', { name: '全部恢复' }).click()
    await signIn(page)
  })

  test('a code that was used before: the SDK fetches another and the user notices nothing', async () => {
    const page = await visit()
    await switchOn(page, 'code 已被使用（一次）')
    await signIn(page)
    expect((await calls(page, 'phone')).slice(0, 4)).toEqual([
      'wx.login 200',
      'POST /api/login 401 A0223',
      'wx.login 200',
      'POST /api/login 200',
    ])
    await expect.poll(() => page.getByRole('switch', { name: 'code 已被使用' }).isChecked()).toBe(false)
  })

  test('one code sent twice at once: one session, one call to WeChat', async () => {
    const page = await visit()
    await page.click('#double-tap')
    await phoneSays(page, '两次都成功：同一会话')
    await expect.poll(() => calls(page, 'gateway')).toEqual(['GET /sns/jscode2session 200'])
  })

  test('Redis down: login, refresh and business calls go on', async () => {
    const page = await visit()
    await switchOn(page, 'Redis 宕机')
    const health = async () => (await fetch(`${playground.internal}/readyz`)).json()
    await expect.poll(health).toMatchObject({ dependencies: { redis: 'down' } })
    await signIn(page)
    await page.click('#refresh')
    await phoneSays(page, '令牌已刷新')
    await page.click('#orders')
    await phoneSays(page, '业务服务返回')
  })

  test('a lost reply to a refresh: the same refresh token is sent again and the session goes on', async () => {
    const page = await visit()
    await signIn(page)
    await switchOn(page, '丢一个回复（一次）')
    await page.click('#refresh')
    await phoneSays(page, '令牌已刷新')
    const refreshes = (await calls(page, 'phone')).filter((call) => call.includes('/api/refresh'))
    expect(refreshes).toEqual(['POST /api/refresh 无回复', 'POST /api/refresh 200'])
  })
})

describe('at a glance', () => {
  test('a fault switched on while signed in shows at once, and signing in again is one tap', async () => {
    const page = await visit()
    await signIn(page)
    await switchOn(page, '微信繁忙')
    await page.locator('#weather', { hasText: '微信繁忙' }).waitFor()
    await page.getByRole('button', { name: '重新登录' }).click()
    await phoneFails(page, 'C0001')
    await page.getByRole('button', { name: '全部恢复' }).click()
    await expect.poll(() => page.locator('#weather').textContent()).toBe('')
  })

  test('an open fuse says its code, counts down, and stands in the timeline', async () => {
    const page = await visit()
    await switchOn(page, '微信繁忙')
    // WeChat answers nothing but -1: the gateway stops asking it and says when to come back, and the SDK keeps to that.
    for (let tap = 0; tap < 20; tap += 1) {
      await page.click('#login')
      await page.locator('#failure:not(:empty)').waitFor()
      if ((await page.locator('#timeline .by-sdk').count()) > 0) break
    }
    await page.locator('#failure', { hasText: /熔断：.+（\w+），\d+ 秒后再试/ }).waitFor()
    expect(await page.locator('#timeline .by-sdk .call').first().textContent()).toBe('fuse')
    const seconds = async () =>
      Number(/(\d+) 秒后再试$/.exec((await page.locator('#failure').textContent()) ?? '')?.[1])
    const first = await seconds()
    await expect.poll(seconds, { timeout: 4000 }).toBeLessThan(first)
  })

  test.each([
    ['#scan-allow', '已登录 Logged in'],
    ['#scan-refuse', 'access_denied'],
  ])('a PC that shows a code is scanned, says who asks, and after %s it says %s for good', async (answer, outcome) => {
    const page = await visit()
    await signIn(page)
    const [pc] = await Promise.all([page.waitForEvent('popup'), page.click('a[href="pc.html"]')])
    await page.locator('#scan-who', { hasText: /请求登录（.+，\d+ 秒前）/ }).waitFor()
    for (const warning of ['#scan-old', '#scan-elsewhere']) expect(await page.locator(warning).isHidden()).toBe(true)
    await page.click(answer)
    await page.locator('#scan').waitFor({ state: 'hidden' })
    await scan(page, (await pc.locator('#code').textContent()) ?? '')
    await phoneFails(page, '请求的内容不存在（A0404）')
    expect(await page.locator('#scan').isHidden()).toBe(true)
    await pc.locator('#status', { hasText: outcome }).waitFor({ timeout: 15_000 })
  })

  test.each([
    ['zh-CN', '这个请求已经有一会儿了', '请求来自与你的手机不同的网络'],
    ['en-GB', 'This request has waited for a while', 'from another network than your phone'],
  ])('the phone warns of a code that is old or from elsewhere (%s)', async (locale, old, elsewhere) => {
    const page = await visit({ locale })
    await page.click('#login')
    await page.locator('#logout').waitFor()
    for (const [given, isOld, isElsewhere] of [
      [{ age_seconds: 121 }, true, false],
      [{ ip: '198.51.100.7' }, false, true],
      [{ age_seconds: 300, ip: '198.51.100.7' }, true, true],
    ] as const) {
      const asked = await page.evaluate<{ user_code: string }>(
        "fetch('/oauth2/device_authorization', { method: 'POST', body: new URLSearchParams({ client_id: 'pc' }) }).then((r) => r.json())",
      )
      await page.route('**/api/device?*', async (route) => {
        const reply = await route.fetch()
        const body = (await reply.json()) as { data: object }
        await route.fulfill({ response: reply, json: { ...body, data: { ...body.data, ...given } } })
      })
      await scan(page, asked.user_code)
      const shown = JSON.stringify(Object.values(given))
      await page.locator('#scan-who', { hasText: String(Object.values(given)[0]) }).waitFor()
      expect([shown, await page.getByText(old).isVisible()]).toEqual([shown, isOld])
      expect([shown, await page.getByText(elsewhere).isVisible()]).toEqual([shown, isElsewhere])
      await page.unroute('**/api/device?*')
    }
  })

  test('the token, a call as curl, and when and from where each device was used', async () => {
    const page = await visit({
      viewport: { width: 1280, height: 900 },
      permissions: ['clipboard-read', 'clipboard-write'],
    })
    await signIn(page)
    const clipboard = () => page.evaluate<string>('navigator.clipboard.readText()')
    await page.click('#copy-token')
    await expect.poll(clipboard).toMatch(/^ey[\w-]+\.[\w-]+\.[\w-]+$/)
    const box = await page.locator('#token-text').boundingBox()
    expect((box?.y ?? 9999) + (box?.height ?? 0)).toBeLessThan(900)
    expect(await page.locator('#session-list .small').first().textContent()).toMatch(
      /\d+:\d+.* · (127\.0\.0\.1|::1|::ffff:127\.0\.0\.1)/,
    )
    await page.locator('#timeline summary', { hasText: '/api/login' }).first().click()
    await page.getByRole('button', { name: '复制为 curl' }).first().click()
    await expect.poll(clipboard).toMatch(/^curl -s -X POST 'http:\/\/localhost:\d+\/api\/login' -H .* -d '\{.*\}'$/)
    await expect.poll(() => page.locator('#list-age').textContent()).toMatch(/^\d 秒前确认$/)
    await screenshot(page, 'zh-light-1280', false)
  })

  test.each([
    ['zh-CN', 'light'],
    ['en-GB', 'dark'],
  ] as const)('at 390 px a tab bar shows one part at a time (%s, %s)', async (locale, colorScheme) => {
    const page = await visit({ viewport: { width: 390, height: 844 }, locale, colorScheme })
    await page.click('#login')
    await page.locator('#logout').waitFor()
    const parts = { phone: '#phone', faults: '#faults', timeline: '#timeline', token: '#token' }
    for (const [tab, part] of Object.entries(parts)) {
      await page.click(`.tabs [data-tab=${tab}]`)
      for (const [other, selector] of Object.entries(parts))
        expect(await page.locator(selector).isVisible(), `${selector} on ${tab}`).toBe(other === tab)
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(390)
      expect(await seriousFindings(page)).toEqual([])
      await screenshot(page, `${locale}-390-${tab}`, false)
      expect(part).toBeTruthy()
    }
  })
})

describe('for everybody', () => {
  test.each(['zh-CN', 'en-GB'])(
    'playground and device page in %s have no serious accessibility finding, light and dark, wide and narrow',
    async (locale) => {
      const page = await visit({ locale })
      await page.click('#login')
      await page.locator('#logout').waitFor()
      await page.locator('#timeline .by-gateway summary').first().click()
      for await (const window of windows(page)) {
        const tabs = await page.locator('.tabs [data-tab]:visible').all()
        for (const tab of tabs) {
          await tab.click()
          expect([window, await seriousFindings(page)]).toEqual([window, []])
        }
        if (tabs.length === 0) expect([window, await seriousFindings(page)]).toEqual([window, []])
      }
      const { user_code: code } = await page.evaluate<{ user_code: string }>(
        "fetch('/oauth2/device_authorization', { method: 'POST', body: new URLSearchParams({ client_id: 'pc' }) }).then((r) => r.json())",
      )
      for (const query of ['', `?user_code=${code}`]) {
        await page.goto(`${playground.origin}/device${query}`)
        for await (const window of windows(page)) {
          expect([query, window, await seriousFindings(page)]).toEqual([query, window, []])
          expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(window.width)
          await screenshot(page, `device-${query && 'code-'}${locale}-${window.colorScheme}-${window.width}`, false)
        }
      }
    },
    90_000,
  )

  test.each([
    ['zh-CN', 'light'],
    ['en-GB', 'dark'],
  ] as const)(
    'the page in %s and %s has no serious accessibility finding, on good days and bad',
    async (locale, colorScheme) => {
      const page = await visit({ locale, colorScheme })
      await page.click('#login')
      await page.locator('#logout').waitFor()
      await page.locator('#timeline .by-gateway summary').first().click()
      expect(await seriousFindings(page)).toEqual([])
      await page.getByRole('switch').first().check()
      await page.click('#logout')
      await page.locator('#verdict[data-state=waiting]').waitFor()
      await page.click('#login')
      await page.locator('#failure:not(:empty)').waitFor()
      expect(await seriousFindings(page)).toEqual([])
      await page.locator('#verdict[data-state=refused]').waitFor()
      expect(await seriousFindings(page)).toEqual([])
      await screenshot(page, `${locale}-${colorScheme}-busy`)
    },
  )

  test('a narrow window shows everything without scrolling sideways', async () => {
    const page = await visit({ viewport: { width: 360, height: 740 } })
    await signIn(page)
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(360)
    await screenshot(page, 'narrow')
  })

  test('the keyboard alone reaches the phone, signs in, flips a switch and opens an entry', async () => {
    const page = await visit()
    const focused = () => page.evaluate<string>('document.activeElement.id || document.activeElement.tagName')
    const tabTo = async (id: string) => {
      for (let step = 0; step < 60 && (await focused()) !== id; step += 1) await page.keyboard.press('Tab')
      expect(await focused()).toBe(id)
    }
    await tabTo('login')
    await page.keyboard.press('Enter')
    await phoneSays(page, '登录成功')
    expect(await focused()).toBe('orders')
    await tabTo('fault-wechatBusy')
    await page.keyboard.press('Space')
    expect(await page.getByRole('switch', { name: '微信繁忙' }).isChecked()).toBe(true)
    await tabTo('SUMMARY')
    await page.keyboard.press('Enter')
    expect(await page.locator('#timeline details[open]').count()).toBe(1)
  })

  test('language and theme follow the browser until they are chosen, and the choice is kept', async () => {
    const page = await visit({ locale: 'en-US', colorScheme: 'dark' })
    const background = () => page.evaluate<string>('getComputedStyle(document.documentElement).backgroundColor')
    expect(await page.title()).toBe('Mini-program auth playground')
    const dark = await background()
    await page.getByRole('button', { name: '中文' }).click()
    await page.getByRole('button', { name: '深色', pressed: true }).click()
    await page.reload()
    await ready(page)
    expect(await page.title()).toBe('小程序登录演练场')
    expect(await background()).not.toBe(dark)
  })

  test('the gateway answers the phone in the language of the page', async () => {
    const page = await visit({ locale: 'en-US' })
    await page.getByRole('switch', { name: 'WeChat blocks the user' }).check()
    await page.click('#login')
    await phoneFails(page, 'The platform blocks this user. (A0321)')
  })
})
