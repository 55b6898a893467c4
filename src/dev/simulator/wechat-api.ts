/** The server paths of WeChat that the gateway calls, with WeChat's order of checks and its refusals. */
import type { HttpBindings } from '@hono/node-server'
import { type Context, Hono } from 'hono'
import type { Clock } from '../../server/clock.ts'
import type { Credentials } from './wechat-credentials.ts'
import { newSessionKey, signLoginState } from './wechat-crypto.ts'
import { type Answer, refusal } from './wechat-errcodes.ts'
import { phoneInfo } from './wechat-open-data.ts'
import type { Member, People } from './wechat-people.ts'
import type { ApiPath, Traffic } from './wechat-traffic.ts'

type Query = Partial<Record<string, string>>
type Body = Record<string, unknown>
type Call = { query: Query; body: Body }
type Parts = { people: People; credentials: Credentials; traffic: Traffic; clock: Clock }

const JSON_TYPE = 'application/json; encoding=utf-8'
const OK = { errcode: 0, errmsg: 'ok' }
const ACTIVE_MS = 2 * 3600_000
const MAX_CHECKED_CHARS = 2500
// The sample of a risky text in the document of msgSecCheck; a marker is easier to type.
const RISKY = /特3456书yuuo莞6543李zxcz蒜7782法fgnv级|\[risky\]/
const REVIEW = /\[review\]/

export function weChatApi({ people, credentials, traffic, clock }: Parts) {
  const api = new Hono<{ Bindings: Partial<HttpBindings> }>()

  function get(path: ApiPath, wrongVerb: number, contentType: string, work: (call: Call) => Answer) {
    api.all(path, (c) =>
      traffic.pass(c, path, contentType, () =>
        isGet(c) ? work({ query: c.req.query(), body: {} }) : refusal(wrongVerb),
      ),
    )
  }

  function post(path: ApiPath, work: (call: Call) => Answer) {
    api.all(path, (c) =>
      traffic.pass(c, path, JSON_TYPE, (text) => {
        if (c.req.method !== 'POST') return refusal(43002)
        if (text === '') return refusal(44002)
        const body = parseObject(text)
        return body ? work({ query: c.req.query(), body }) : refusal(47001)
      }),
    )
  }

  // getUnlimitedQRCode: the picture itself, or JSON when it is refused. A phone reads the scene out of ours.
  api.post('/wxa/getwxacodeunlimit', async (c) => {
    const body = parseObject(await c.req.text())
    const scene = body?.scene
    const checked = credentials.check(c.req.query('access_token'))
    if ('errcode' in checked) return c.json(refusal(checked.errcode))
    if (typeof scene !== 'string' || !/^[\w!#$&'()*+,/:;=?@.~-]{1,32}$/.test(scene)) return c.json(refusal(40129))
    const { default: sharp } = await import('sharp')
    // From nothing but text: once a gateway in this process has cleaned a picture, sharp reads no file but PNG, JPEG, WebP and GIF.
    const text = { text: scene.replaceAll('&', '&amp;'), font: 'monospace 18', rgba: true }
    const picture = await sharp({ create: { width: 406, height: 406, channels: 3, background: '#ffffff' } })
      .composite([{ input: { text } }])
      .extend({ top: 12, bottom: 12, left: 12, right: 12, background: '#07c160' })
      .png()
      .toBuffer()
    return new Response(new Uint8Array(picture), { headers: { 'content-type': 'image/png' } })
  })

  // code2Session: JSON under text/plain, and no errcode on success (api_code2session; community reports on both).
  get('/sns/jscode2session', 41002, 'text/plain', ({ query }) => {
    const { appid, secret, js_code: text, grant_type: grantType } = query
    const refused = refuseApp(appid, secret, 40125)
    if (refused) return refused
    if (people.findApp(appid ?? '')?.kind) return refusal(40013)
    if (!text) return refusal(41008)
    if (grantType !== 'authorization_code') return refusal(40002)
    const code = people.find('login', appid ?? '', text)
    if (code === 'used') return refusal(40163)
    if (code === 'invalid') return refusal(40029)
    people.spend(text, code)
    const { openid, unionid } = people.visit(code.appid, code.person, code.sessionKey)
    const session = { session_key: code.sessionKey, openid }
    return code.unionid && unionid !== undefined ? { ...session, unionid } : session
  })

  get('/cgi-bin/token', 43001, JSON_TYPE, ({ query }) => {
    const { appid = '', secret, grant_type: grantType } = query
    return (
      refuseApp(appid, secret, 40001) ?? (grantType === 'client_credential' ? credentials.mint(appid) : refusal(40002))
    )
  })

  post('/cgi-bin/stable_token', ({ body }) => {
    const [appid, secret] = [asText(body.appid), asText(body.secret)]
    const refused = refuseApp(appid, secret, 40001)
    if (refused) return refused
    if (body.grant_type !== 'client_credential') return refusal(40002)
    const force = body.force_refresh ?? false
    return typeof force === 'boolean' ? credentials.mintStable(appid ?? '', force) : refusal(47001)
  })

  post('/wxa/business/getuserphonenumber', ({ query, body }) => {
    const caller = credentials.check(query.access_token)
    if ('errcode' in caller) return refusal(caller.errcode)
    const text = asText(body.code)
    if (!text) return refusal(41008)
    const code = people.find('phone', caller.appid, text)
    // The document of getPhoneNumber knows only 40029, for a used code too.
    if (code === 'used' || code === 'invalid') return refusal(40029)
    const { openid } = people.member(code.appid, code.person)
    // Documented to be checked when sent; the errcode is not documented.
    if (body.openid !== undefined && body.openid !== openid) return refusal(40003)
    people.spend(text, code)
    const phone = phoneInfo(code.person, code.phone)
    const watermark = { timestamp: seconds(), appid: code.appid }
    // A number here and a string in encryptedData, each as in its official sample.
    return { ...OK, phone_info: { ...phone, countryCode: Number(phone.countryCode), watermark } }
  })

  get('/wxa/checksession', 43001, JSON_TYPE, ({ query }) => {
    const member = signedMember(query)
    return 'errcode' in member ? member : OK
  })

  get('/wxa/resetusersessionkey', 43001, JSON_TYPE, ({ query }) => {
    const member = signedMember(query)
    if ('errcode' in member) return member
    member.sessionKey = newSessionKey()
    return { ...OK, openid: member.openid, session_key: member.sessionKey }
  })

  post('/wxa/msg_sec_check', ({ query, body }) => {
    const caller = credentials.check(query.access_token)
    if ('errcode' in caller) return refusal(caller.errcode)
    const [openid, content] = [asText(body.openid), asText(body.content)]
    if (body.version !== 2 || !content) return refusal(47001)
    if (typeof body.scene !== 'number' || ![1, 2, 3, 4].includes(body.scene)) return refusal(40129)
    if (content.length > MAX_CHECKED_CHARS) return refusal(45002)
    const member = people.memberByOpenid(openid ?? '')
    if (!member) return refusal(40003)
    if (member.appid !== caller.appid) return refusal(43104)
    if (clock.now().getTime() - member.lastSeenAt.getTime() > ACTIVE_MS) return refusal(61010)
    const texts = [content, body.nickname, body.title, body.signature].join('\n')
    return { ...OK, ...verdict(texts), trace_id: newSessionKey() }
  })

  post('/cgi-bin/message/subscribe/send', ({ query, body }) => {
    const caller = credentials.check(query.access_token)
    if ('errcode' in caller) return refusal(caller.errcode)
    const known = people.memberByOpenid(asText(body.touser) ?? '')?.appid === caller.appid
    return known && asText(body.template_id) ? OK : refusal(40003)
  })

  api.all('/*', (c) => c.json(refusal(40066)))

  function refuseApp(appid: string | undefined, secret: string | undefined, wrongSecret: number): Answer | undefined {
    if (!appid) return refusal(41002)
    if (!secret) return refusal(41004)
    const app = people.findApp(appid)
    if (!app) return refusal(40013)
    return app.secret === secret ? undefined : refusal(wrongSecret)
  }

  /** checkSessionKey's proof: HMAC-SHA256 of the empty string under the user's one valid session_key. */
  function signedMember(query: Query): Member | Answer {
    const caller = credentials.check(query.access_token)
    if ('errcode' in caller) return refusal(caller.errcode)
    if (query.sig_method !== 'hmac_sha256') return refusal(87008)
    const member = people.memberByOpenid(query.openid ?? '')
    if (member?.appid !== caller.appid) return refusal(40003)
    return query.signature === signLoginState('', member.sessionKey) ? member : refusal(87009)
  }

  const seconds = () => Math.floor(clock.now().getTime() / 1000)

  return api
}

function isGet(c: Context): boolean {
  return c.req.method === 'GET' || c.req.method === 'HEAD'
}

function asText(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

function parseObject(text: string): Body | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined
  } catch {
    return undefined
  }
}

function verdict(text: string) {
  const [suggest, label] = RISKY.test(text) ? ['risky', 20006] : REVIEW.test(text) ? ['review', 21000] : ['pass', 100]
  return {
    result: { suggest, label },
    detail: [{ strategy: 'content_model', errcode: 0, suggest, label, prob: 90 }],
  }
}
