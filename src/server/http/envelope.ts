/** The one renderer of replies: `{code, msg, data}`, and for a failure also `request_id` and, where fields are wrong, `fields`. */
import { type ErrorCode, errorCodes, GatewayError } from '../errors.ts'
import { type GatewayContext, replyHeader } from './context.ts'

const SUCCESS = '00000'

export function success(c: GatewayContext, data: unknown, message: { zh: string; en: string }): Response {
  const { language, headers } = c.get('request')
  return new Response(JSON.stringify({ code: SUCCESS, msg: message[language], data: data ?? null }), { headers })
}

/** What is thrown on purpose is a failure the contract names; anything else is a defect, and says nothing outside. */
export const classify = (error: unknown): GatewayError =>
  error instanceof GatewayError ? error : new GatewayError('B0001', { cause: error, alert: 'defect' })

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
