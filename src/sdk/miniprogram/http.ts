/** What the SDK knows of HTTP: where a token may go, what a reply means, how long to wait, and a multipart body made by hand. */
import type { HostReply } from './adapters.ts'
import { AuthError } from './error.ts'
import type { Failure } from './wire.ts'

/** The longest Retry-After worth waiting for while a user watches; a longer one is handed to the caller. */
const MAX_WAIT_SECONDS = 5

const originOf = (url: string): string => (/^https?:\/\/[^/?#\\\s@]+(?=[/?#]|$)/i.exec(url) || [''])[0].toLowerCase()

/**
 * Makes the check that keeps tokens at home: the gateway by path, or an origin the app has named. There is no URL parser in a mini
 * program, so anything that a lenient one could read as another host (`//host`, `\`, `user@host`) is refused, not understood.
 */
export function createTarget(baseURL: string, audiences: string[]): (url: string) => string {
  const allowed = [baseURL, ...audiences].map(originOf).filter(Boolean)
  return (url) => {
    if (/^\/(?![/\\])/.test(url)) return baseURL + url
    if (allowed.includes(originOf(url))) return url
    throw new AuthError('FOREIGN_URL', '地址不允许')
  }
}

/** Header names come as the server or the phone spelled them. */
function header(reply: HostReply, name: string): string {
  const key = Object.keys(reply.header).find((candidate) => candidate.toLowerCase() === name)
  return (key && reply.header[key]) || ''
}

/** The `data` of an envelope, or the whole body of a server that speaks without one; every failure throws. */
export function unwrap<Data>(reply: HostReply): Data {
  const { statusCode, data } = reply
  const body = (data || {}) as Partial<Omit<Failure, 'code' | 'data'>> & { code: string; data?: unknown }
  const wrapped = /^\w\d{4}$/.test(body.code) && 'msg' in body
  if (statusCode >= 200 && statusCode < 300) {
    if (!wrapped) return data as Data
    if (body.code === '00000') return body.data as Data
  }
  const details = {
    statusCode,
    requestId: body.request_id || header(reply, 'x-request-id'),
    retryAfter: Number(header(reply, 'retry-after')) || undefined,
    fields: body.fields,
    body: data,
  }
  if (wrapped) throw new AuthError(body.code, `${body.msg}`, details)
  // A business server without our envelope says the same thing in the words of RFC 6750 section 3.1.
  const expired = statusCode === 401 && /invalid_token/.test(header(reply, 'www-authenticate'))
  throw new AuthError(expired ? 'A0230' : `HTTP_${statusCode}`, '服务异常', details)
}

/** Milliseconds to wait before the next try, or undefined where waiting would not help or would take too long. */
export function waitFor(error: unknown, tries: number, lossIsHarmless: boolean): number | undefined {
  const { code, statusCode, retryAfter } = error as AuthError
  // Spread out, so that the phones that were turned away together do not come back together.
  const spread = 1000 + Math.random() * 500
  if (code === 'NETWORK' || code === 'TIMEOUT') return lossIsHarmless ? tries * 0.4 * spread : undefined
  if (statusCode !== 429 && statusCode !== 503 && code !== 'A0506') return undefined
  const seconds = retryAfter || tries
  return seconds > MAX_WAIT_SECONDS ? undefined : seconds * spread
}

const ascii = (text: string): Uint8Array => Uint8Array.from(text, (character) => character.charCodeAt(0))

/** One file as multipart/form-data (RFC 7578), by hand: wx.uploadFile can only POST, and there is neither FormData nor TextEncoder. */
export function multipart(field: string, path: string, file: ArrayBuffer): { type: string; body: ArrayBuffer } {
  const [, extension] = /\.(png|gif|webp|jpe?g)$/.exec(path.toLowerCase()) || []
  const type = extension ? `image/${extension.replace('jpg', 'jpeg')}` : 'application/octet-stream'
  const boundary = `mp${Math.random().toString(36).slice(2)}`
  const disposition = `form-data; name="${encodeURIComponent(field)}"; filename="file.${extension || 'bin'}"`
  const head = ascii(`--${boundary}\r\nContent-Disposition: ${disposition}\r\nContent-Type: ${type}\r\n\r\n`)
  const tail = ascii(`\r\n--${boundary}--\r\n`)
  const body = new Uint8Array(head.length + file.byteLength + tail.length)
  body.set(head)
  body.set(new Uint8Array(file), head.length)
  body.set(tail, head.length + file.byteLength)
  return { type: `multipart/form-data; boundary=${boundary}`, body: body.buffer }
}
