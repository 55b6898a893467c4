/** The one caller upstream: undici pools with time limits, no redirects, bounded replies; JSON whatever its Content-Type. */
import { EventEmitter } from 'node:events'
import { Client, type Dispatcher, Pool } from 'undici'
import type { Span } from '../observability/span.ts'
import { PlatformError } from './platform.ts'

export type UpstreamRequest = {
  /** Names the call in errors and metrics, since the URL holds secrets. */
  operation: string
  method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** Origin and path, escaped where it must be. */
  url: string
  headers?: Record<string, string>
  body?: string | Uint8Array
  /** The reply is wanted as bytes, too. */
  binary?: true
  /** What is left of the caller's time. */
  timeoutMs: number
}

/** Sends a request and gives status and text; throws PlatformError `unreachable` or `timeout`. */
export type Send = (request: UpstreamRequest) => Promise<UpstreamReply>
/** `date` is the header as it came: what time it is over there. */
export type UpstreamReply = { status: number; text: string; bytes?: Uint8Array; date?: string }

const CONNECT_TIMEOUT_MS = 1000
const MAX_REPLY_BYTES = 256 * 1024

export type UndiciSender = { send: Send; close(): Promise<void> }

/** `connections` caps the calls under way per origin, and with a slow platform the logins per second. */
export function createUndiciSender({ connections = 256 }: { connections?: number } = {}): UndiciSender {
  const pools = new Map<string, Pool>()

  function poolOf(origin: string): Pool {
    const known = pools.get(origin)
    if (known) return known
    const pool = new Pool(origin, {
      connections,
      connect: { timeout: CONNECT_TIMEOUT_MS },
      keepAliveTimeout: 30_000,
      maxResponseSize: MAX_REPLY_BYTES,
    })
    pools.set(origin, pool)
    return pool
  }

  return {
    async send({ operation, method, url, headers, body, binary, timeoutMs }) {
      const pathAt = url.indexOf('/', url.indexOf('//') + 2)
      // An emitter does what an AbortController would, for a fraction of its price; undici takes either.
      const deadline = new EventEmitter()
      let late = false
      const timer = setTimeout(() => {
        late = true
        deadline.emit('abort')
      }, timeoutMs)
      const request = {
        path: url.slice(pathAt),
        method,
        headers: headers ?? null,
        body: body ?? null,
        signal: deadline,
      }
      const origin = url.slice(0, pathAt)
      let fresh: Client | undefined
      try {
        const reply = await poolOf(origin)
          .request(request)
          .catch((error: unknown): Promise<Dispatcher.ResponseData> => {
            // A kept connection that the other side had closed meanwhile. Nothing of a reply came, so a GET may be sent again.
            if (method !== 'GET' || late || !isBroken(error)) throw error
            fresh = new Client(origin, { connect: { timeout: CONNECT_TIMEOUT_MS }, maxResponseSize: MAX_REPLY_BYTES })
            return fresh.request(request)
          })
        const { date } = reply.headers
        const bytes = binary && new Uint8Array(await reply.body.arrayBuffer())
        return {
          status: reply.statusCode,
          text: bytes ? Buffer.from(bytes).toString('utf8') : await reply.body.text(),
          ...(bytes ? { bytes } : {}),
          ...(typeof date === 'string' ? { date } : {}),
        }
      } catch (error) {
        // The cause is left out on purpose: undici's errors may carry the URL, and with it the AppSecret.
        if (late || isTimeout(error)) throw new PlatformError(operation, 'timeout')
        if (codeOf(error) === 'UND_ERR_RES_EXCEEDED_MAX_SIZE')
          throw new PlatformError(operation, 'body', { note: 'reply too large' })
        throw new PlatformError(operation, 'unreachable', { note: codeOf(error) })
      } finally {
        clearTimeout(timer)
        void fresh?.close().catch(() => undefined)
      }
    },
    close: async () => {
      await Promise.all([...pools.values()].map((pool) => pool.destroy()))
    },
  }
}

/** The same sender, each call inside a span named by its operation; the URL holds secrets and stays out. */
export const traceSend = (send: Send, span: Span | undefined): Send =>
  span === undefined ? send : (request) => span(`platform ${request.operation}`, () => send(request))

/** Sends and reads a JSON object; the platform's Content-Type is ignored (WeChat says text/plain). */
export async function fetchJson(send: Send, request: UpstreamRequest): Promise<Record<string, unknown>> {
  const { status, text } = await send(request)
  if (status !== 200) throw new PlatformError(request.operation, 'status', { errcode: String(status) })
  return parseObject(request.operation, text)
}

/** The JSON object that a reply holds; anything else is PlatformError `body`. */
export function parseObject(operation: string, text: string): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new PlatformError(operation, 'body', { note: 'not JSON' })
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new PlatformError(operation, 'body', { note: 'not a JSON object' })
  }
  return value as Record<string, unknown>
}

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'connection failed'

const isBroken = (error: unknown): boolean => ['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE'].includes(codeOf(error))

const isTimeout = (error: unknown): boolean =>
  ['UND_ERR_CONNECT_TIMEOUT', 'UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT'].includes(codeOf(error))
