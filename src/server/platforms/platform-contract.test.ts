/** What every platform promises, proved by the same tests over real connections to a simulator that speaks each one's own forms. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { serve } from '@hono/node-server'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { newRsaKeys, signed, simulatedAlipay } from '../../dev/simulator/alipay.ts'
import { simulatedBaidu } from '../../dev/simulator/baidu.ts'
import { simulatedDouyin } from '../../dev/simulator/douyin.ts'
import { simulatedKuaishou } from '../../dev/simulator/kuaishou.ts'
import {
  type CreatePlatformPage,
  createPlatformSimulator,
  type PlatformAnswer,
} from '../../dev/simulator/other-platforms.ts'
import { simulatedQq } from '../../dev/simulator/qq.ts'
import { createWechatSimulator } from '../../dev/simulator/wechat.ts'
import { SIMULATED_CORPID, simulatedWecom } from '../../dev/simulator/wecom.ts'
import { simulatedXiaohongshu } from '../../dev/simulator/xiaohongshu.ts'
import { testClock } from '../clock.ts'
import { type AppConfig, type PlatformName, wechatOauthNames } from '../config/config.ts'
import { createSealer } from '../crypto/seal.ts'
import { createMemoryCache } from '../storage/cache.memory.ts'
import { createUndiciSender, type Send } from './fetch-json.ts'
import { createOtherPlatforms } from './other-platforms.ts'
import { type Platform, PlatformError } from './platform.ts'
import { createWechat } from './wechat.ts'
import { createWechatOauth } from './wechat-oauth.ts'

const APPID = 'app-0001'
const SECRET = 'the-secret-of-app-0001'
const appKeys = newRsaKeys()
const alipayKeys = newRsaKeys()

type Success = { openid: string; sessionKey: string | undefined }

type Case = {
  platform: PlatformName
  page?: CreatePlatformPage
  secret?: string
  wrongSecret?: string
  app?: Partial<AppConfig>
  /** The call that takes the code. */
  path: string
  /** What the document calls a rate limit; undefined where no document was found that does. */
  rateLimit?: string
  /** Whether a wrong secret has a code that is documented. */
  secretCodeKnown: boolean
  /** The platform's own form of a success. */
  success: (one: Success) => Record<string, unknown>
  /** The same with the platform's mark of an error on it, none of which is a success. */
  marked: (body: Record<string, unknown>) => Record<string, unknown>[]
  /** The same without a member that is always there. */
  incomplete?: (body: Record<string, unknown>) => Record<string, unknown>[]
  /** How a body is sent, where that is not plain JSON. */
  sent?: (body: Record<string, unknown>) => PlatformAnswer
}

const wechatForm = ({ openid, sessionKey }: Success) => ({ openid, session_key: sessionKey })

const cases: Case[] = [
  {
    platform: 'wechat',
    path: '/sns/jscode2session',
    rateLimit: '45011',
    secretCodeKnown: true,
    success: wechatForm,
    marked: (body) => [
      { ...body, errcode: 40029 },
      { ...body, errcode: '40029' },
      { ...body, errcode: 'x' },
    ],
  },
  ...wechatOauthNames.map(
    (platform): Case => ({
      platform,
      path: '/sns/oauth2/access_token',
      rateLimit: '45011',
      secretCodeKnown: true,
      success: ({ openid }) => ({
        access_token: 'a',
        expires_in: 7200,
        refresh_token: 'r',
        openid,
        scope: 'snsapi_base',
      }),
      marked: (body) => [
        { ...body, errcode: 40029 },
        { ...body, errcode: '40163' },
        { ...body, is_snapshotuser: 1 },
      ],
    }),
  ),
  {
    platform: 'qq',
    page: simulatedQq,
    path: '/sns/jscode2session',
    rateLimit: '45011',
    secretCodeKnown: false,
    success: wechatForm,
    marked: (body) => [
      { ...body, errcode: -1009 },
      { ...body, errcode: '40029' },
    ],
  },
  {
    platform: 'douyin',
    page: simulatedDouyin,
    path: '/api/apps/v2/jscode2session',
    secretCodeKnown: true,
    success: (one) => ({ err_no: 0, err_tips: 'success', data: { ...wechatForm(one), unionid: '' } }),
    marked: (body) => [
      { ...body, err_no: 40018 },
      { ...body, err_no: '-1' },
    ],
    incomplete: (body) => [
      { ...body, err_no: undefined },
      { ...body, data: null },
    ],
  },
  {
    platform: 'alipay',
    page: simulatedAlipay({ platformKey: alipayKeys.privateKey }),
    secret: appKeys.privateKey,
    wrongSecret: newRsaKeys().privateKey,
    app: { alipayPublicKey: alipayKeys.publicKey },
    path: '/gateway.do',
    rateLimit: 'isv.app-call-limited',
    secretCodeKnown: true,
    success: ({ openid }) => ({ open_id: openid, access_token: 'authbseB', expires_in: 300 }),
    marked: (body) => [{ ...body, code: '40002', sub_code: 'isv.code-invalid' }],
    sent: (body) => signed('alipay_system_oauth_token_response', body, alipayKeys.privateKey),
  },
  {
    platform: 'baidu',
    page: simulatedBaidu,
    path: '/oauth/jscode2sessionkey',
    secretCodeKnown: true,
    success: wechatForm,
    marked: (body) => [
      { ...body, errno: 10010100 },
      { ...body, error: 'invalid_grant' },
    ],
  },
  {
    platform: 'kuaishou',
    page: simulatedKuaishou,
    path: '/oauth2/mp/code2session',
    secretCodeKnown: true,
    success: ({ openid, sessionKey }) => ({ result: 1, open_id: openid, session_key: sessionKey }),
    marked: (body) => [
      { ...body, result: 0 },
      { ...body, result: 100200105 },
    ],
    incomplete: (body) => [{ ...body, result: undefined }],
  },
  {
    platform: 'xiaohongshu',
    page: simulatedXiaohongshu,
    path: '/api/rmp/session',
    secretCodeKnown: false,
    success: (one) => ({ success: true, code: 0, msg: 'success', data: wechatForm(one) }),
    marked: (body) => [
      { ...body, success: false },
      { ...body, code: 410103 },
    ],
    incomplete: (body) => [
      { ...body, success: undefined },
      { ...body, data: [] },
    ],
  },
  {
    platform: 'wecom',
    page: simulatedWecom({ [SECRET]: APPID }),
    app: { corpid: SIMULATED_CORPID },
    path: '/cgi-bin/miniprogram/jscode2session',
    rateLimit: '45009',
    secretCodeKnown: true,
    success: ({ openid, sessionKey }) => ({
      errcode: 0,
      corpid: SIMULATED_CORPID,
      userid: openid,
      session_key: sessionKey,
    }),
    marked: (body) => [{ ...body, errcode: 40029 }],
    incomplete: (body) => [
      { ...body, errcode: undefined },
      { ...body, corpid: '' },
      { ...body, corpid: 'ww1/ww2' },
    ],
  },
]

/** The simulator of a case, with one form to drive it. */
function simulate({ platform, page, path, secret = SECRET }: Case) {
  const apps = [
    { appid: APPID, secret },
    { appid: 'app-0002', secret: 'the-secret-of-app-0002' },
  ]
  if (page) {
    const simulator = createPlatformSimulator(page, { apps })
    return {
      fetch: simulator.fetch,
      login: (person: string) => simulator.login(APPID, person),
      loginElsewhere: (person: string) => simulator.login('app-0002', person),
      subjectOf: (person: string) => simulator.subjectOf(APPID, person),
      sessionKeyOf: (person: string) => simulator.sessionKeyOf(APPID, person),
      refuse: (code: string) => simulator.fail({ path, times: 1, answer: simulator.refusal(code) }),
      answer: (text: string, status = 200) => simulator.fail({ path, times: 1, answer: text, status }),
      delay: (delayMs: number) => simulator.fail({ path, times: 1, delayMs }),
    }
  }
  if (platform === 'wechat-page' || platform === 'wechat-web' || platform === 'wechat-app') {
    const kind = platform === 'wechat-page' ? 'page' : platform === 'wechat-web' ? 'web' : 'app'
    const simulator = createWechatSimulator({ apps: apps.map((app) => ({ ...app, kind })) })
    const own = { path: '/sns/oauth2/access_token', times: 1 } as const
    return {
      fetch: simulator.app.fetch,
      login: (person: string) => simulator.oauthCode(APPID, person),
      loginElsewhere: (person: string) => simulator.oauthCode('app-0002', person),
      subjectOf: (person: string) => simulator.openidOf(APPID, person),
      sessionKeyOf: () => undefined,
      refuse: (code: string) => simulator.fail({ ...own, errcode: Number(code) }),
      answer: (body: string, httpStatus = 200) => simulator.fail({ ...own, body, httpStatus }),
      delay: (delayMs: number) => simulator.fail({ ...own, delayMs }),
    }
  }
  if (platform !== 'wechat') throw new Error('a platform without a page')
  const simulator = createWechatSimulator({ apps })
  const own = { path: '/sns/jscode2session', times: 1 } as const
  return {
    fetch: simulator.app.fetch,
    login: (person: string) => simulator.login(APPID, person),
    loginElsewhere: (person: string) => simulator.login('app-0002', person),
    subjectOf: (person: string) => simulator.openidOf(APPID, person),
    sessionKeyOf: (person: string) => simulator.sessionKeyOf(APPID, person),
    refuse: (code: string) => simulator.fail({ ...own, errcode: Number(code) }),
    answer: (body: string, httpStatus = 200) => simulator.fail({ ...own, body, httpStatus }),
    delay: (delayMs: number) => simulator.fail({ ...own, delayMs }),
  }
}

function create({ platform }: Case, app: AppConfig, apiBase: string, send: Send): Platform {
  if (platform === 'wechat') return createWechat({ send, apiBase, userApi: () => ({}) })
  const [ofWechat] = createWechatOauth({ send, apiBase, openBase: apiBase, apps: [app] })
  if (ofWechat) return ofWechat
  const clock = { now: () => new Date() }
  const parts = { send, clock, cache: createMemoryCache({ clock }), sealer: testSealer() }
  const [page] = createOtherPlatforms({ ...parts, apps: [app], apiBases: { [platform]: apiBase } })
  if (!page) throw new Error(`no page of ${platform}`)
  return page
}

const testSealer = () => createSealer([{ id: 'k1', secret: Buffer.alloc(32, 7) }])

describe.each(cases)('$platform', (one) => {
  const { secret = SECRET, sent = JSON.stringify, success, marked, incomplete = () => [{}] } = one
  const app: AppConfig = { platform: one.platform, appid: APPID, secret, ...one.app }
  const simulator = simulate(one)
  const upstream = createUndiciSender()
  const limits: number[] = []
  let base = ''
  let platform: Platform
  let closeServer: () => unknown

  const watched: Send = (request) => {
    limits.push(request.timeoutMs)
    return upstream.send(request)
  }
  const rebuild = (changes: Partial<AppConfig> = {}, send: Send = watched) =>
    create(one, { ...app, ...changes }, base, send)

  beforeAll(async () => {
    const server = serve({ fetch: simulator.fetch, port: 0, hostname: '127.0.0.1' })
    await once(server, 'listening')
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    closeServer = () => server.close()
    platform = rebuild()
  })
  afterAll(async () => {
    await upstream.close()
    closeServer()
  })

  /** The typed error of an exchange, and never another; nobody's secret is anywhere in it. */
  async function failure(code: string, { of = platform, as = app }: { of?: Platform; as?: AppConfig } = {}) {
    const error = await of.exchange(as, code).then(
      (exchanged) => new Error(`not refused: ${JSON.stringify(exchanged)}`),
      (thrown: unknown) => thrown,
    )
    if (!(error instanceof PlatformError)) throw error
    const everything = [error, error.cause]
      .map((each) => (each instanceof Error ? `${each.message}${each.stack}${JSON.stringify(each)}` : ''))
      .join()
    const kept = simulator.sessionKeyOf('alice')
    for (const text of [as.secret, code, kept ?? 'no session key here']) expect(everything).not.toContain(text)
    return { error, code: error.code }
  }

  test('a good code gives the person and, where there is one, their session_key', async () => {
    const code = simulator.login('alice')
    const exchanged = await platform.exchange(app, code)
    expect(exchanged.openid).toBe(simulator.subjectOf('alice'))
    expect(exchanged.sessionKey).toBe(simulator.sessionKeyOf('alice'))
  })

  test('the same person is the same identity every time, and nobody else is', async () => {
    const again = await platform.exchange(app, simulator.login('alice'))
    const other = await platform.exchange(app, simulator.login('bob'))
    expect(again.openid).toBe(simulator.subjectOf('alice'))
    expect(other.openid).toBe(simulator.subjectOf('bob'))
    expect(other.openid).not.toBe(again.openid)
  })

  test('a code used before, made up or of another app sends the client to its login again', async () => {
    const code = simulator.login('alice')
    await platform.exchange(app, code)
    for (const bad of [code, 'nobody-was-given-this', simulator.loginElsewhere('alice')]) {
      const { error, code: told } = await failure(bad)
      expect([error.failure, error.refusal, told]).toEqual(['refused', 'code_invalid', 'A0223'])
    }
  })

  test('a wrong secret is told the operator and not the client', async () => {
    const wrong = { ...app, secret: one.wrongSecret ?? 'another-secret-altogether' }
    const { error, code } = await failure(simulator.login('alice'), { of: rebuild(wrong), as: wrong })
    expect([error.failure, code, error.alert]).toEqual(['refused', 'C0001', expect.any(String)])
    if (one.secretCodeKnown) expect(error.refusal).toBe('misconfigured')
  })

  if (one.rateLimit)
    test('its rate limit is answered as one, with the time to wait', async () => {
      simulator.refuse(one.rateLimit ?? '')
      const { error, code } = await failure(simulator.login('alice'))
      expect([error.refusal, code, error.retryAfterSeconds]).toEqual(['rate_limited', 'C0401', 60])
    })

  test('a code of error that no document lists is an alert and never guessed at', async () => {
    simulator.refuse('987654')
    const { error, code } = await failure(simulator.login('alice'))
    expect([error.refusal, error.errcode, code]).toEqual(['unknown', '987654', 'C0001'])
    expect(error.alert).toEqual(expect.any(String))
  })

  test('HTML, nothing, half of it and what is not an object are no replies', async () => {
    const whole = String(sent(success({ openid: 'o-somebody', sessionKey: 'a2V5a2V5a2V5a2V5a2V5MA==' })))
    for (const text of ['<html><body>502 Bad Gateway</body></html>', '', whole.slice(0, -1), '[]', 'null', '"ok"']) {
      simulator.answer(text)
      const { error, code } = await failure(simulator.login('alice'))
      expect([text, error.failure, code]).toEqual([text, 'body', 'C0001'])
    }
  })

  test('a good reply under an HTTP error is rejected', async () => {
    for (const status of [400, 401, 404, 500, 503]) {
      simulator.answer(String(sent(success({ openid: 'o-somebody', sessionKey: 'a2V5a2V5a2V5a2V5a2V5MA==' }))), status)
      expect((await failure(simulator.login('alice'))).error.failure).toBe('status')
    }
  })

  test('a reply without an id, or with one that is no text or too long, is rejected', async () => {
    for (const openid of ['', null, 7, {}, 'o'.repeat(200)]) {
      simulator.answer(String(sent(success({ openid: openid as string, sessionKey: 'a2V5a2V5a2V5a2V5a2V5MA==' }))))
      expect((await failure(simulator.login('alice'))).error.failure).toBe('body')
    }
    simulator.answer(String(sent(success({ openid: 'o-somebody', sessionKey: 'a2V5a2V5a2V5a2V5a2V5MA==' }))))
    const exchanged = await platform.exchange(app, simulator.login('alice'))
    expect(exchanged.openid.endsWith('o-somebody')).toBe(true)
  })

  if (simulator.sessionKeyOf('alice'))
    test('a reply without a session_key is rejected', async () => {
      simulator.answer(String(sent(success({ openid: 'o-somebody', sessionKey: '' }))))
      expect((await failure(simulator.login('alice'))).error.failure).toBe('body')
    })

  test('a reply that looks good but is marked as an error is rejected, under HTTP 200 too', async () => {
    for (const body of marked(success({ openid: 'o-somebody', sessionKey: 'a2V5a2V5a2V5a2V5a2V5MA==' }))) {
      simulator.answer(String(sent(body)))
      const { error } = await failure(simulator.login('alice'))
      expect(error.failure).toBe('refused')
    }
  })

  test('a reply without what its platform always says is rejected, and is no refusal either', async () => {
    for (const body of incomplete(success({ openid: 'o-somebody', sessionKey: 'a2V5a2V5a2V5a2V5a2V5MA==' }))) {
      simulator.answer(String(sent(body)))
      expect((await failure(simulator.login('alice'))).error.failure).toBe('body')
    }
  })

  test('an answer that does not come is a timeout, and no call is given more than three seconds', async () => {
    const hurried: Send = (request) => upstream.send({ ...request, timeoutMs: Math.min(request.timeoutMs, 300) })
    simulator.delay(2000)
    const { error, code } = await failure(simulator.login('alice'), { of: rebuild({}, hurried) })
    expect([error.failure, code]).toEqual(['timeout', 'C0200'])
    expect(Math.max(...limits)).toBeLessThanOrEqual(3000)
  })

  test('a platform that cannot be reached is a typed failure', async () => {
    const taken = createServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    const { port } = taken.address() as AddressInfo
    taken.close()
    await once(taken, 'close')
    const nowhere = create(one, app, `http://127.0.0.1:${port}`, watched)
    expect((await failure('any-code-at-all', { of: nowhere })).error.failure).toBe('unreachable')
  })
})

test('only platforms of which an app is configured are made', () => {
  const clock = testClock()
  const parts = { clock, cache: createMemoryCache({ clock }), sealer: testSealer(), apiBases: {} }
  const send: Send = () => Promise.reject(new Error('nothing is sent while platforms are made'))
  const made = (apps: AppConfig[]) => createOtherPlatforms({ ...parts, send, apps }).map(({ name }) => name)
  expect(made([{ platform: 'wechat', appid: 'wx1', secret: 's' }])).toEqual([])
  expect(
    made([
      { platform: 'baidu', appid: 'b1', secret: 's' },
      { platform: 'qq', appid: 'q1', secret: 's' },
      { platform: 'baidu', appid: 'b2', secret: 's' },
    ]),
  ).toEqual(['qq', 'baidu'])
})

test('Douyin is never sent an anonymous code, and a device without a person is no user', async () => {
  const sent: string[] = []
  const data = { openid: '', session_key: 'a2V5a2V5a2V5a2V5a2V5MA==', anonymous_openid: 'device-1', unionid: '' }
  const send: Send = async ({ body }) => {
    sent.push(String(body ?? ''))
    return { status: 200, text: JSON.stringify({ err_no: 0, err_tips: 'success', data }) }
  }
  const app: AppConfig = { platform: 'douyin', appid: APPID, secret: SECRET }
  const clock = testClock()
  const parts = { send, clock, cache: createMemoryCache({ clock }), sealer: testSealer() }
  const [douyin] = createOtherPlatforms({ ...parts, apps: [app], apiBases: {} })
  await expect(douyin?.exchange(app, 'a-code')).rejects.toMatchObject({ refusal: 'code_invalid', errcode: 'anonymous' })
  expect(sent.map((body) => JSON.parse(body))).toEqual([{ appid: APPID, secret: SECRET, code: 'a-code' }])
})
