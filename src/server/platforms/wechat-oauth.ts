/**
 * WeChat OAuth: a page inside WeChat, a QR code on a web page, a native app. Three ways to get a code, one exchange; no session_key
 * exists here (developers.weixin.qq.com/doc/service/api/webdev/access/api_snsaccesstoken, /doc/oplatform/developers/dev/auth/web).
 */
import { type AppConfig, type WechatOauthName, wechatOauthNames } from '../config/config.ts'
import { fetchJson, type Send } from './fetch-json.ts'
import { type AuthorizeRequest, type Exchange, type Platform, PlatformError } from './platform.ts'
import { boundedText } from './reply.ts'
import { startTimeBudget, type TimeBudget } from './time-budget.ts'
import { retryWhenBusy, throwIfRefused } from './wechat.ts'

/** Consents that open sns/userinfo; with snsapi_base alone it answers 48001. */
const TELLS_MORE = /\b(snsapi_userinfo|snsapi_login)\b/

export type WechatOauthParts = {
  send: Send
  apiBase: string
  /** Where browsers are sent: WeChat's own pages. */
  openBase: string
}

/** The page that gives a browser its code; a native app asks its WeChat itself. */
const authorizePages: Record<
  WechatOauthName,
  { path: string; scope: (asked: AuthorizeRequest) => string } | undefined
> = {
  'wechat-page': {
    path: '/connect/oauth2/authorize',
    scope: ({ silent }) => (silent ? 'snsapi_base' : 'snsapi_userinfo'),
  },
  'wechat-web': { path: '/connect/qrconnect', scope: () => 'snsapi_login' },
  'wechat-app': undefined,
}

/** Those of which an app is configured. */
export function createWechatOauth({ apps, ...parts }: WechatOauthParts & { apps: readonly AppConfig[] }): Platform[] {
  const exchange = createExchange(parts)
  return wechatOauthNames
    .filter((name) => apps.some((app) => app.platform === name))
    .map((name) => {
      const page = authorizePages[name]
      return {
        name,
        exchange,
        ...(page && {
          authorizeUrl({ appid }: AppConfig, asked: AuthorizeRequest): string {
            const { redirectUri: redirect_uri, state } = asked
            // In WeChat's order: its pages are known to be particular about it.
            const query = { appid, redirect_uri, response_type: 'code', scope: page.scope(asked), state }
            return `${parts.openBase}${page.path}?${new URLSearchParams(query)}#wechat_redirect`
          },
        }),
      }
    })
}

function createExchange({ send, apiBase }: Omit<WechatOauthParts, 'openBase'>): Platform['exchange'] {
  async function get(operation: string, path: string, query: Record<string, string>, time: TimeBudget) {
    const url = `${apiBase}${path}?${new URLSearchParams(query)}`
    const reply = await fetchJson(send, { operation, method: 'GET', url, timeoutMs: time.leftMs(operation) })
    throwIfRefused(operation, reply)
    return reply
  }

  /** The tokens in the reply are used for this one call and thrown away. */
  async function moreOf(reply: Record<string, unknown>, openid: string, time: TimeBudget) {
    const credential = boundedText(reply.access_token, 2048)
    if (credential === undefined || !TELLS_MORE.test(String(reply.scope))) return {}
    const query = { access_token: credential, openid, lang: 'zh_CN' }
    const told = await get('snsUserinfo', '/sns/userinfo', query, time)
    return {
      unionid: boundedText(told.unionid),
      userinfo: { nickName: told.nickname, avatarUrl: told.headimgurl, gender: told.sex },
    }
  }

  return async ({ appid, secret, union }, code): Promise<Exchange> => {
    const operation = 'snsAccessToken'
    const query = { appid, secret, code, grant_type: 'authorization_code' }
    const time = startTimeBudget()
    const reply = await retryWhenBusy(time, () => get(operation, '/sns/oauth2/access_token', query, time))
    const openid = boundedText(reply.openid)
    if (openid === undefined) throw new PlatformError(operation, 'body', { note: 'no openid' })
    // The virtual account of WeChat's snapshot mode: its ids are made up, or were seen to be another person's.
    if (Number(reply.is_snapshotuser ?? 0) !== 0)
      throw new PlatformError(operation, 'refused', { refusal: 'snapshot_user', errcode: 'snapshot' })
    const unionid = boundedText(reply.unionid)
    // Name and picture are decoration; a unionid is not, where people are joined by it.
    const more = await moreOf(reply, openid, time).catch((error: unknown) => {
      if (union !== undefined && unionid === undefined) throw error
      return {}
    })
    return { openid, ...more, ...(unionid === undefined ? {} : { unionid }) }
  }
}
