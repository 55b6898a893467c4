/** GET and POST /platform-events/wechat/{appid} for WeChat, POST /internal/platform-events for a team with a receiver of its own. */
import { z } from 'zod'
import type { AppConfig } from '../config/config.ts'
import { invalidField } from '../errors.ts'
import { networkOf } from '../http/address.ts'
import { type GatewayContext, rawReply } from '../http/context.ts'
import { type Route, route } from '../http/route.ts'
import { enforce, type RateLimit } from '../rate-limit/rate-limit.ts'
import { describeEvent } from './event.ts'
import type { Receiver } from './receiver.ts'
import type { Inbox } from './store.ts'

const path = '/platform-events/wechat/:appid'
const params = z.object({ appid: z.string().min(1).max(64) })
const query = z.object({
  timestamp: z.string().regex(/^\d{1,12}$/, 'is not a time in seconds'),
  nonce: z.string().min(1).max(64),
  signature: z.string().max(128).optional(),
  msg_signature: z.string().max(128).optional().describe('SHA-1 in hex of Token, timestamp, nonce and Encrypt.'),
})
const MAX_BYTES = 64 * 1024
const text = { 'Content-Type': 'text/plain; charset=UTF-8' }

export type ReceiverRoutesParts = { receiver: Receiver; limit: RateLimit | undefined }

export function receiverRoutes({ receiver, limit }: ReceiverRoutesParts): Route[] {
  // Counted only once the signature is wrong: what others send from the same address never keeps WeChat out.
  const onForged = (c: GatewayContext) => () => enforce(limit, networkOf(c.get('request').ip))
  return [
    route(
      {
        method: 'get',
        path,
        tag: 'Platforms',
        summary: "The handshake of WeChat's message push: proves that this URL is the gateway's.",
        access: 'public',
        params,
        query: query.extend({ echostr: z.string().min(1).max(1024) }),
        replies: { 200: { 'text/plain': z.string().describe('`echostr`, decrypted where it came encrypted.') } },
        errors: ['A0340', 'A0404', 'A0501'],
      },
      async ({ params: { appid }, query }, c) =>
        rawReply(c, await receiver.handshake(appid, query, onForged(c)), { headers: text }),
    ),
    route(
      {
        method: 'post',
        path,
        tag: 'Platforms',
        summary: "Takes an event of WeChat's message push, in secure mode; answered once it is stored.",
        access: 'public',
        params,
        query,
        bytes: {
          maxBytes: MAX_BYTES,
          types: ['application/json', 'text/xml', 'application/xml', 'text/plain'],
          anyType: true,
        },
        replies: { 200: { 'text/plain': z.literal('success') } },
        errors: ['A0340', 'A0404', 'A0501'],
      },
      async ({ params: { appid }, query, bytes }, c) => {
        await receiver.receive(appid, query, bytes, onForged(c))
        return rawReply(c, 'success', { headers: text })
      },
    ),
  ]
}

export type HandedInRoutesParts = { inbox: Pick<Inbox, 'keep'>; apps: readonly AppConfig[]; onKept: () => void }

export const handedInRoutes = ({ inbox, apps, onKept }: HandedInRoutesParts): Route[] => [
  route(
    {
      method: 'post',
      path: '/internal/platform-events',
      tag: 'Services',
      summary: "Hand in a decrypted event of WeChat's message push, from a team that has a receiver of its own.",
      access: 'platform-events',
      body: z.strictObject({
        appid: z.string().min(1).max(64),
        event: z.record(z.string(), z.unknown()).describe("WeChat's members, as decrypted: Event, OpenID, RevokeInfo."),
      }),
      reply: z.object({ stored: z.boolean().describe('False when this event is known already.') }),
    },
    async ({ body: { appid, event }, auth }) => {
      const app = apps.find((one) => one.platform.startsWith('wechat') && one.appid === appid)
      if (!app) throw invalidField('appid', 'is not a WeChat app of this gateway')
      const stored = await inbox.keep(
        app.platform,
        appid,
        `service:${auth.name}`,
        describeEvent(app.platform, appid, JSON.stringify(event)),
      )
      onKept()
      return { stored }
    },
  ),
]
