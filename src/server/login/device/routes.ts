/** The endpoints of RFC 8628 for devices, the page and the picture for people, and the confirmation in the mini program. */
import { z } from 'zod'
import type { GatewayContext } from '../../http/context.ts'
import { actorOf, rawReply, replyHeader } from '../../http/context.ts'
import { type Route, route } from '../../http/route.ts'
import type { Limit } from '../../rate-limit/limit.ts'
import type { TokenReply } from '../../sessions/token-reply.ts'
import type { Device, TokenError } from './device.ts'
import { devicePage } from './page.ts'
import { DEVICE_SECONDS, INTERVAL_SECONDS } from './requests.ts'

export const DEVICE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code'
const unstored = { 'Cache-Control': 'no-store' }
const clientId = z.string().min(1).max(64)
const userCode = z.string().min(8).max(20)

const authorizationSchema = z.object({
  device_code: z.string(),
  user_code: z.string(),
  verification_uri: z.string(),
  verification_uri_complete: z.string(),
  expires_in: z.number().int(),
  interval: z.number().int(),
  qr_code_uri: z.string().describe('The mini-program code as a PNG.'),
})
const tokensSchema = z.object({
  access_token: z.string(),
  token_type: z.literal('Bearer'),
  expires_in: z.number().int(),
  refresh_token: z.string(),
})
const oauthErrorSchema = z.object({ error: z.string(), error_description: z.string().optional() })

const descriptions: Record<TokenError, string> = {
  invalid_client: 'client_id is unknown: see CLIENTS',
  unauthorized_client: 'this client is not a device: see CLIENTS',
  invalid_grant: 'the code or token is unknown, was used, or belongs to another client',
  unsupported_grant_type: `grant_type must be ${DEVICE_GRANT} or refresh_token`,
  authorization_pending: 'the person has not confirmed yet',
  slow_down: 'wait 5 seconds more between two polls',
  access_denied: 'the person refused, or may not log in',
  expired_token: 'the device code has expired: ask for another',
}

const refuse = (c: GatewayContext, error: TokenError): Response =>
  rawReply(c, JSON.stringify({ error, error_description: descriptions[error] }), {
    // RFC 6749 section 5.2: 401 where the client is not known, else 400.
    status: error === 'invalid_client' ? 401 : 400,
    headers: unstored,
  })

function grant(c: GatewayContext, tokens: TokenReply): Response {
  c.get('request').userId = tokens.user_id
  const { token: access_token, token_type, expires_in, refresh_token } = tokens
  return rawReply(c, JSON.stringify({ access_token, token_type, expires_in, refresh_token }), { headers: unstored })
}

export type DeviceRoutesParts = {
  device: Device
  issuer: string
  limit: Limit
  /** The mini-program code of a scene, where an app can make one. */
  pictureOf: ((scene: string) => Promise<Uint8Array<ArrayBuffer>>) | undefined
}

export function deviceRoutes({ device, issuer, limit, pictureOf }: DeviceRoutesParts): Route[] {
  const oauth = { method: 'post', tag: 'Devices', access: 'public', failures: 'oauth' } as const
  return [
    route(
      {
        ...oauth,
        path: '/oauth2/device_authorization',
        summary: 'RFC 8628 section 3.1: a device asks for a code to show.',
        form: z.object({ client_id: clientId, scope: z.string().max(200).optional() }),
        replies: { 200: { 'application/json': authorizationSchema }, 400: { 'application/json': oauthErrorSchema } },
      },
      async ({ form }, c) => {
        await limit(c)
        const userAgent = c.req.header('user-agent')?.slice(0, 200)
        const asked = await device.ask(form.client_id, { ip: c.get('request').ip, userAgent })
        if (typeof asked === 'string') return refuse(c, asked)
        const { deviceCode, id, request } = asked
        const shown = `${request.userCode.slice(0, 4)}-${request.userCode.slice(4)}`
        const reply = {
          device_code: deviceCode,
          user_code: shown,
          verification_uri: `${issuer}/device`,
          verification_uri_complete: `${issuer}/device?user_code=${shown}`,
          expires_in: DEVICE_SECONDS,
          interval: INTERVAL_SECONDS,
          qr_code_uri: `${issuer}/oauth2/device/${id}.png`,
        }
        return rawReply(c, JSON.stringify(reply), { headers: unstored })
      },
    ),
    route(
      {
        ...oauth,
        path: '/oauth2/token',
        summary: 'RFC 8628 section 3.4: a device polls; RFC 6749 section 6: it refreshes.',
        form: z.object({
          grant_type: z.string().min(1).max(100),
          client_id: clientId,
          device_code: z.string().max(128).optional(),
          refresh_token: z.string().max(256).optional(),
        }),
        replies: { 200: { 'application/json': tokensSchema }, 400: { 'application/json': oauthErrorSchema } },
      },
      async ({ form: { grant_type, client_id, device_code, refresh_token } }, c) => {
        await limit(c)
        if (grant_type !== DEVICE_GRANT && grant_type !== 'refresh_token') return refuse(c, 'unsupported_grant_type')
        const result =
          grant_type === DEVICE_GRANT
            ? await device.poll(client_id, device_code ?? '', actorOf(c))
            : await device.refresh(client_id, refresh_token ?? '', actorOf(c))
        return typeof result === 'string' ? refuse(c, result) : grant(c, result)
      },
    ),
    route(
      {
        method: 'get',
        path: '/oauth2/device/:id',
        tag: 'Devices',
        summary: 'The mini-program code of a device request as a picture: `{id}.png`.',
        access: 'public',
        params: z.object({
          id: z.string().regex(/^[\w-]{43}\.png$/, 'must be as in qr_code_uri: 43 characters and .png'),
        }),
        replies: { 200: { 'image/png': z.string() }, 404: 'Unknown or expired' },
        errors: ['A0404', 'A0501', 'C0001', 'C0200', 'C0401'],
      },
      async ({ params }, c) => {
        await limit(c)
        const scene = await device.picture(params.id.slice(0, -4))
        const headers = { 'Content-Type': 'image/png', 'Cache-Control': 'private, max-age=300' }
        if (scene === undefined || !pictureOf) return rawReply(c, '', { status: 404, headers: unstored })
        return rawReply(c, await pictureOf(scene), { headers })
      },
    ),
    route(
      {
        method: 'get',
        path: '/device',
        tag: 'Devices',
        summary: 'The page that a person opens: the mini-program code to scan, which code to confirm, and how.',
        access: 'public',
        query: z.object({ user_code: userCode.optional() }),
        replies: { 200: { 'text/html': z.string() } },
        errors: ['A0501'],
      },
      async ({ query: { user_code: code } }, c) => {
        await limit(c)
        const id = code && pictureOf ? await device.pictureId(code) : undefined
        return devicePage(c, code, id && `${issuer}/oauth2/device/${id}.png`)
      },
    ),
    route(
      {
        method: 'get',
        path: '/api/device',
        tag: 'Devices',
        summary: 'Who asks under a user code: shown before the person confirms.',
        access: 'user',
        query: z.strictObject({ user_code: userCode }),
        reply: z.object({
          client_id: z.string(),
          client_name: z.string(),
          ip: z.string().nullable(),
          user_agent: z.string().nullable(),
          age_seconds: z.number().int(),
          expires_in: z.number().int(),
        }),
        errors: ['A0404'],
      },
      async ({ query }, c) => {
        replyHeader(c, 'Cache-Control', 'no-store')
        return await device.describe(query.user_code)
      },
    ),
    route(
      {
        method: 'post',
        path: '/api/device',
        tag: 'Devices',
        summary: 'Confirm or refuse a device that asks.',
        access: 'user',
        body: z.strictObject({ user_code: userCode, approve: z.boolean() }),
        reply: z.null(),
        errors: ['A0404'],
      },
      async ({ auth, body }) => {
        await device.decide(body.user_code, body.approve, auth.userId)
        return null
      },
    ),
  ]
}
