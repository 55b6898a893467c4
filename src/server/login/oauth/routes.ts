/** GET /oauth/{appid}/start and /oauth/{appid}/callback, for browsers. */
import { z } from 'zod'
import { actorOf, type GatewayContext, rawReply } from '../../http/context.ts'
import { cookieHeader, readCookie } from '../../http/cookies.ts'
import { noteFailure } from '../../http/envelope.ts'
import { type Route, route } from '../../http/route.ts'
import { loginCode } from '../../platforms/login-code.ts'
import type { Limit } from '../../rate-limit/limit.ts'
import { admissionBy } from '../admission.ts'
import type { Oauth, Onward } from './oauth.ts'
import { STATE_SECONDS } from './state.ts'

export type OauthRoutesParts = { oauth: Oauth; secure: boolean; limit: Limit }

const appid = z.object({ appid: z.string().min(1).max(64) })
const described = { method: 'get', tag: 'Login', access: 'public', failures: 'page' } as const

export function oauthRoutes({ oauth, secure, limit }: OauthRoutesParts): Route[] {
  function goOn(c: GatewayContext, { location, cookie: { name, value } }: Onward): Response {
    const maxAgeSeconds = value === '' ? 0 : STATE_SECONDS
    return rawReply(c, null, {
      status: 302,
      headers: {
        Location: location,
        'Set-Cookie': cookieHeader(name, value, { secure, maxAgeSeconds }),
        'Cache-Control': 'no-store',
        // The address that leads here holds the code.
        'Referrer-Policy': 'no-referrer',
      },
    })
  }

  return [
    route(
      {
        ...described,
        path: '/oauth/:appid/start',
        summary: 'WeChat OAuth in a browser: on to WeChat, which asks the person.',
        params: appid,
        query: z.object({
          redirect_uri: z
            .string()
            .min(1)
            .max(500)
            .describe('Where it ends: one of the `redirects` of the app, exactly.'),
          scope: z
            .enum(['snsapi_base', 'snsapi_userinfo'])
            .default('snsapi_userinfo')
            .describe('Of a page in WeChat: snsapi_base asks nobody, and brings no unionid.'),
        }),
        replies: { 302: 'To WeChat, with a cookie that binds the answer to this browser' },
        errors: ['A0404', 'A0501'],
      },
      async ({ params, query }, c) => {
        await limit(c)
        return goOn(c, oauth.start(params.appid, query.redirect_uri, query.scope === 'snsapi_base'))
      },
    ),
    route(
      {
        ...described,
        path: '/oauth/:appid/callback',
        summary: 'Where WeChat sends the browser back to.',
        params: appid,
        query: z.object({ state: z.string().min(1).max(64), code: loginCode.optional() }),
        replies: { 302: 'To redirect_uri, with `#ticket=` for POST /api/login, or `#error=`: access_denied or a code' },
        errors: ['A0404', 'A0501'],
      },
      async ({ params, query: { state, code } }, c) => {
        const counting = limit(c)
        const cookie = (name: string) => readCookie(c, name)
        const onward = await oauth.comeBack(params.appid, { state, code, cookie }, actorOf(c), admissionBy(counting))
        await counting
        // For the log line; the browser is told in the fragment.
        if (onward.failure !== undefined) noteFailure(c, onward.failure)
        return goOn(c, onward)
      },
    ),
  ]
}
