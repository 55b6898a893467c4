/** The one caller upstream: undici pools with time limits, no redirects, bounded replies; JSON whatever its Content-Type. */
import { Pool } from 'undici'
import { PlatformError } from './platform.ts'

export type UpstreamRequest = {
  /** Names the call in errors and metrics, since the URL holds secrets. */
  operation: string
  method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  url: string
  headers?: Record<string, string>
  body?: string | Uint8Array
  /** What is left of the caller's time. */
  timeoutMs: number
}

/** Sends a request and gives status and text; throws PlatformError `unreachable` or `timeout`. */
export type Send = (request: UpstreamRequest) => Promise<{ status: number; text: string }>

const CONNECT_TIMEOUT_MS = 1000
const MAX_REPLY_BYTES = 256 * 1024

export type UndiciSender = { send: Send; close(): Promise<void> }

/** `connections` caps the calls under way per origin, and with a slow platform the logins per second. */
export function createUndiciSender({ connections = 256 }: { connections?: number } = {}): UndiciSender {
  const pools = new Map<string, Pool>()

  function poolOf(origin: string): Pool {
    const known = pools.get(origin)
    if (known) return known
    const pool = new Pool(origin, { connections, connect: { timeout: CONNECT_TIMEOUT_MS }, keepAliveTimeout: 30_000 })
    pools.set(origin, pool)
    return pool
  }

  return {
    async send({ operation, method, url, headers, body, timeoutMs }) {
      const { origin, pathname, search } = new URL(url)
      const abort = new AbortController()
      const timer = setTimeout(() => abort.abort(), timeoutMs)
      try {
        const reply = await poolOf(origin).request({
          path: pathname + search,
          method,
          headers: headers ?? null,
          body: body ?? null,
          signal: abort.signal,
        })
        const chunks: Buffer[] = []
        let size = 0
        for await (const chunk of reply.body as AsyncIterable<Buffer>) {
          size += chunk.length
          if (size > MAX_REPLY_BYTES) throw new PlatformError(operation, 'body', { note: 'reply too large' })
          chunks.push(chunk)
        }
        return { status: reply.statusCode, text: Buffer.concat(chunks).toString('utf8') }
      } catch (error) {
        if (error instanceof PlatformError) throw error
        // The cause is left out on purpose: undici's errors may carry the URL, and with it the AppSecret.
        if (abort.signal.aborted || isTimeout(error)) throw new PlatformError(operation, 'timeout')
        throw new PlatformError(operation, 'unreachable', { note: codeOf(error) })
      } finally {
        clearTimeout(timer)
      }
    },
    close: async () => {
      await Promise.all([...pools.values()].map((pool) => pool.destroy()))
    },
  }
}

/** Sends and reads a JSON object; the platform's Content-Type is ignored (WeChat says text/plain). */
export async function fetchJson(send: Send, request: UpstreamRequest): Promise<Record<string, unknown>> {
  const { status, text } = await send(request)
  if (status !== 200) throw new PlatformError(request.operation, 'status', { errcode: String(status) })
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new PlatformError(request.operation, 'body', { note: 'not JSON' })
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new PlatformError(request.operation, 'body', { note: 'not a JSON object' })
  }
  return value as Record<string, unknown>
}

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'connection failed'

const isTimeout = (error: unknown): boolean =>
  ['UND_ERR_CONNECT_TIMEOUT', 'UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT'].includes(codeOf(error))
