/** The common reply: `{code, msg, data}`, and for a failure also `request_id` and, where fields are wrong, `fields`. */
import { errorCodes, GatewayError } from '../errors.ts'
import { type GatewayContext, replyHeader } from './context.ts'
import { isStreamed, streamOf } from './streamed.ts'

const SUCCESS = '00000'

export function success(c: GatewayContext, data: unknown, message: { zh: string; en: string }): Response {
  const { language, headers } = c.get('request')
  const msg = message[language]
  if (!isStreamed(data)) return new Response(JSON.stringify({ code: SUCCESS, msg, data: data ?? null }), { headers })
  return new Response(streamOf(data, `{"code":"${SUCCESS}","msg":${JSON.stringify(msg)},"data":`), { headers })
}

/** What is thrown on purpose is a failure the contract names; anything else is a defect, and says nothing outside. */
export const classify = (error: unknown): GatewayError =>
  error instanceof GatewayError ? error : new GatewayError('B0001', { cause: error, alert: 'defect' })

/** Keeps the failure for the log line, and sets the headers that every failure has. */
export function noteFailure(c: GatewayContext, thrown: unknown): GatewayError {
  const error = classify(thrown)
  const request = c.get('request')
  request.errorCode = error.code
  request.error = thrown
  if (errorCodes[error.code].status === 401) replyHeader(c, 'WWW-Authenticate', 'Bearer error="invalid_token"')
  if (error.retryAfterSeconds !== undefined) replyHeader(c, 'Retry-After', String(error.retryAfterSeconds))
  replyHeader(c, 'Cache-Control', 'no-store')
  return error
}

export function failure(c: GatewayContext, thrown: unknown): Response {
  const error = noteFailure(c, thrown)
  const { language, requestId, headers } = c.get('request')
  const { status } = errorCodes[error.code]
  const body = { code: error.code, msg: error.words[language], data: null, request_id: requestId }
  const whole = error.fields === undefined ? body : { ...body, fields: error.fields }
  return new Response(JSON.stringify(whole), { status, headers })
}
