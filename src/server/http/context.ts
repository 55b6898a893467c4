/** What every request carries along: its id, its language, where it came from, and what the log will say about it. */
import type { HttpBindings } from '@hono/node-server'
import type { Context } from 'hono'
import type { Actor } from '../actor.ts'
import { randomToken } from '../crypto/random.ts'
import { readAddress } from './address.ts'

export type RequestState = {
  requestId: string
  /** The client's address as far as it can be trusted; undefined when it is unknown. */
  ip: string | undefined
  language: 'zh' | 'en'
  startedAt: number
  /** Headers of the reply. A plain object that the reply is made with: Hono's c.header() costs a Headers object each. */
  headers: Record<string, string>
  /** Filled in on the way, for the log line. */
  userId?: string
  errorCode?: string
  error?: unknown
}

export type GatewayEnv = { Variables: { request: RequestState }; Bindings: HttpBindings }
export type GatewayContext = Context<GatewayEnv>

const requestIdPattern = /^[A-Za-z0-9_.-]{8,64}$/

export function openRequest(c: GatewayContext, trustedProxyHops: number): RequestState {
  const given = c.req.header('x-request-id')
  const requestId = given !== undefined && requestIdPattern.test(given) ? given : randomToken()
  return {
    requestId,
    headers: {
      'Content-Type': 'application/json; charset=UTF-8',
      'X-Content-Type-Options': 'nosniff',
      'X-Request-Id': requestId,
    },
    ip: clientAddress(c, trustedProxyHops),
    language: preferredLanguage(c),
    startedAt: performance.now(),
  }
}

/** A document has no request state: its language is looked up when a failure has to be worded. */
export const languageOf = (c: GatewayContext): 'zh' | 'en' =>
  (c.get('request') as RequestState | undefined)?.language ?? preferredLanguage(c)

/** Chinese unless English is asked for before it. */
function preferredLanguage(c: GatewayContext): 'zh' | 'en' {
  const acceptLanguage = c.req.header('accept-language')
  if (acceptLanguage === undefined) return 'zh'
  const english = acceptLanguage.search(/\ben\b/i)
  const chinese = acceptLanguage.search(/\bzh\b/i)
  return english >= 0 && (chinese < 0 || english < chinese) ? 'en' : 'zh'
}

/** Each trusted proxy appends the address it saw, so the last `hops` entries are theirs and the one before is the client's. */
function clientAddress(c: GatewayContext, hops: number): string | undefined {
  const peer = readAddress(c.env?.incoming?.socket.remoteAddress ?? '')
  if (hops === 0) return peer
  const forwarded = (c.req.header('x-forwarded-for') ?? '').split(',')
  const entry = forwarded.at(-hops)?.trim() ?? ''
  // Some proxies add the port: 192.0.2.1:50000 or [2001:db8::1]:50000. Counted with it, a client would be another each time.
  const bracketed = /^\[([^\]]{2,45})\](?::\d{1,5})?$/.exec(entry)?.[1]
  const address = bracketed ?? entry.replace(/^([0-9.]{7,15}):\d{1,5}$/, '$1')
  return readAddress(address) ?? peer
}

/** Sets a header of the reply. */
export function replyHeader(c: GatewayContext, name: string, value: string): void {
  c.get('request').headers[name] = value
}

/** A reply of its own form, with the headers that every reply has; a Content-Type other than JSON's is said here. */
export function rawReply(
  c: GatewayContext,
  body: string | Uint8Array<ArrayBuffer> | null,
  { status = 200, headers = {} }: { status?: number; headers?: Record<string, string> } = {},
): Response {
  return new Response(body, { status, headers: { ...c.get('request').headers, ...headers } })
}

/** Who acted and from where, for the audit trail. */
export function actorOf(c: GatewayContext, name = 'user'): Actor {
  const { ip, requestId } = c.get('request')
  return { name, ip, requestId }
}

/** An operator or a service, as `ADMIN_TOKENS` names it. */
export const operatorOf = (c: GatewayContext, caller: { name: string }): Actor => actorOf(c, `operator:${caller.name}`)
