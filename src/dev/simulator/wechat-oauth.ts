/** WeChat OAuth as the simulator plays it: the pages that ask a person, and the two server calls that follow. */
import type { HttpBindings } from '@hono/node-server'
import { type Context, Hono } from 'hono'
import { html } from 'hono/html'
import type { Clock } from '../../server/clock.ts'
import { randomAlphanumerics } from './wechat-crypto.ts'
import { type Answer, refusal } from './wechat-errcodes.ts'
import type { OauthConsent, OauthKind, People, SimulatedApp } from './wechat-people.ts'
import type { Traffic } from './wechat-traffic.ts'

type Parts = { people: People; traffic: Traffic; clock: Clock }
type SimulatorContext = Context<{ Bindings: Partial<HttpBindings> }>
type Granted = { appid: string; person: string; scope: string; expiresAt: number }

const TOKEN_MS = 7200_000
const REMEMBERED = 10_000
/** Who is logged in to the WeChat that opened the page, where nobody is chosen. */
const SILENT_PERSON = 'alice'

export function oauthApi({ people, traffic, clock }: Parts) {
  const api = new Hono<{ Bindings: Partial<HttpBindings> }>()
  const granted = new Map<string, Granted>()

  /** Whether the app is of this kind and the request as WeChat takes it; its page says what is wrong otherwise. */
  function asked(c: SimulatorContext, kind: OauthKind, scopes: readonly string[]) {
    const { appid = '', redirect_uri: redirectUri = '', scope = '', state = '', response_type: type } = c.req.query()
    const wrong =
      people.findApp(appid)?.kind !== kind
        ? 'appid 参数错误'
        : !URL.canParse(redirectUri)
          ? 'redirect_uri 参数错误'
          : type !== 'code' || !scopes.includes(scope)
            ? 'Scope 参数错误或没有 Scope 权限'
            : !/^[\w-]{0,128}$/.test(state)
              ? 'state 参数错误'
              : undefined
    return wrong ?? { appid, redirectUri, scope: scope as OauthConsent['scope'], state }
  }

  function comeBack(c: SimulatorContext, redirectUri: string, state: string, code?: string): Response {
    const target = new URL(redirectUri)
    if (code !== undefined) target.searchParams.set('code', code)
    target.searchParams.set('state', state)
    return c.redirect(target.href)
  }

  function page(path: string, kind: OauthKind, scopes: readonly string[], title: string) {
    api.get(path, (c) => {
      const request = asked(c, kind, scopes)
      if (typeof request === 'string')
        return c.html(html`<!doctype html><title>${request}</title><p>${request}</p>`, 400)
      const { appid, redirectUri, scope, state } = request
      const { answer, person = SILENT_PERSON } = c.req.query()
      if (scope === 'snsapi_base') return comeBack(c, redirectUri, state, people.mintOauth(appid, person, { scope }))
      if (answer === 'no') return comeBack(c, redirectUri, state)
      if (answer === undefined) return c.html(consentPage(title, c.req.query()))
      return comeBack(
        c,
        redirectUri,
        state,
        people.mintOauth(appid, person, { scope, snapshot: answer === 'snapshot' }),
      )
    })
  }
  page('/connect/oauth2/authorize', 'page', ['snsapi_base', 'snsapi_userinfo'], '申请获取你的昵称、头像')
  page('/connect/qrconnect', 'web', ['snsapi_login'], '使用微信扫一扫登录')

  function get(path: '/sns/oauth2/access_token' | '/sns/userinfo', work: (query: Record<string, string>) => Answer) {
    api.get(path, (c) => traffic.pass(c, path, 'text/plain', () => work(c.req.query())))
  }

  get('/sns/oauth2/access_token', ({ appid = '', secret, code: text, grant_type: grantType }) => {
    const app = people.findApp(appid)
    const refused = refuseApp(app, secret)
    if (refused || !app) return refused ?? refusal(40013)
    if (!text) return refusal(41008)
    if (grantType !== 'authorization_code') return refusal(40002)
    const code = people.find('oauth', appid, text)
    if (code === 'used') return refusal(40163)
    if (code === 'invalid') return refusal(40029)
    people.spend(text, code)
    const { scope, snapshot, person: named } = code
    const person = snapshot ? `snapshot:${randomAlphanumerics(8)}` : named
    const { openid, unionid } = people.member(appid, person)
    const token = randomAlphanumerics(110)
    granted.set(token, { appid, person, scope, expiresAt: clock.now().getTime() + TOKEN_MS })
    const [oldest] = granted.keys()
    if (granted.size > REMEMBERED && oldest !== undefined) granted.delete(oldest)
    const reply = { access_token: token, expires_in: 7200, refresh_token: randomAlphanumerics(110), openid, scope }
    return {
      ...reply,
      ...(scope === 'snsapi_base' || unionid === undefined ? {} : { unionid }),
      ...(snapshot ? { is_snapshotuser: 1 } : {}),
    }
  })

  get('/sns/userinfo', ({ access_token: token = '', openid }) => {
    const grant = granted.get(token)
    if (!grant || grant.expiresAt <= clock.now().getTime()) return refusal(40001)
    if (grant.scope === 'snsapi_base') return refusal(48001)
    const member = people.member(grant.appid, grant.person)
    if (member.openid !== openid) return refusal(40003)
    const headimgurl = `https://thirdwx.qlogo.cn/mmopen/vi_32/${member.openid}/132`
    const told = {
      openid,
      nickname: grant.person,
      sex: 0,
      language: '',
      city: '',
      province: '',
      country: '',
      headimgurl,
    }
    return { ...told, privilege: [], ...(member.unionid === undefined ? {} : { unionid: member.unionid }) }
  })

  return api
}

function refuseApp(app: SimulatedApp | undefined, secret: string | undefined): Answer | undefined {
  if (!app?.kind) return refusal(40013)
  if (!secret) return refusal(41004)
  return app.secret === secret ? undefined : refusal(40125)
}

/** Where a person says yes, no, or is there in name only. */
const consentPage = (title: string, query: Record<string, string>) => html`<!doctype html>
<html lang="zh-CN"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${title}</title>
<style>body{font:16px/1.6 system-ui,sans-serif;max-width:24rem;margin:10vh auto;padding:0 1rem}
button{font:inherit;display:block;width:100%;margin:.5rem 0;padding:.5rem}</style>
<h1>${title}</h1>
<form>${Object.entries(query).map(([name, value]) => html`<input type="hidden" name="${name}" value="${value}">`)}
<label>person <input name="person" value="${SILENT_PERSON}"></label>
<button name="answer" value="yes">允许 Allow</button>
<button name="answer" value="snapshot">快照页 Browse only (snapshot)</button>
<button name="answer" value="no">拒绝 Decline</button></form></html>`
