/** The one renderer of replies: `{code, msg, data}`, and for a failure also `request_id` and, where fields are wrong, `fields`. */
import { type ErrorCode, errorCodes, GatewayError } from '../errors.ts'
import { PlatformError, toGatewayError } from '../platforms/platform.ts'
import { CacheUnavailable } from '../storage/cache.ts'
import { isDatabaseUnavailable } from '../storage/sqlstate.ts'
import { type GatewayContext, replyHeader } from './context.ts'

const SUCCESS = '00000'

export function success(c: GatewayContext, data: unknown, message: { zh: string; en: string }): Response {
  const { language, headers } = c.get('request')
  return new Response(JSON.stringify({ code: SUCCESS, msg: message[language], data: data ?? null }), { headers })
}

/** Turns whatever was thrown into a failure the contract names; what is not expected is B0001 and says nothing outside. */
export function classify(error: unknown): GatewayError {
  if (error instanceof GatewayError) return error
  if (error instanceof PlatformError) return toGatewayError(error)
  if (error instanceof CacheUnavailable || isDatabaseUnavailable(error)) {
    return new GatewayError('B0320', { cause: error, retryAfterSeconds: 2 })
  }
  return new GatewayError('B0001', { cause: error })
}

export function failure(c: GatewayContext, thrown: unknown): Response {
  const error = classify(thrown)
  const request = c.get('request')
  request.errorCode = error.code
  request.error = thrown
  const { status } = errorCodes[error.code]
  if (status === 401) replyHeader(c, 'WWW-Authenticate', 'Bearer error="invalid_token"')
  if (error.retryAfterSeconds !== undefined) replyHeader(c, 'Retry-After', String(error.retryAfterSeconds))
  replyHeader(c, 'Cache-Control', 'no-store')
  const body = {
    code: error.code,
    msg: messageOf(error.code, request.language),
    data: null,
    request_id: request.requestId,
  }
  const whole = error.fields === undefined ? body : { ...body, fields: error.fields }
  return new Response(JSON.stringify(whole), { status, headers: request.headers })
}

const messageOf = (code: ErrorCode, language: 'zh' | 'en'): string => errorCodes[code][language]
