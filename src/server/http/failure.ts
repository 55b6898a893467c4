/** How a failure is told, by the form of a route's replies: the envelope, OAuth's error object, plain text, a page, or for a proxy. */
import { type ErrorCode, errorCodes, GatewayError } from '../errors.ts'
import { type GatewayContext, languageOf, rawReply, replyHeader } from './context.ts'
import { classify, failure, noteFailure } from './envelope.ts'
import { asText, htmlPage } from './page.ts'

export type FailureForm = 'envelope' | 'oauth' | 'text' | 'proxy' | 'page'

/** The words of RFC 6749 section 5.2, and of RFC 6750 section 3.1 for the caller's own token; others go by their status. */
const oauthWords: Partial<Record<ErrorCode, { status: number; error: string }>> = {
  A0230: { status: 401, error: 'invalid_token' },
  A0312: { status: 403, error: 'insufficient_scope' },
  A0400: { status: 400, error: 'invalid_request' },
  A0413: { status: 400, error: 'invalid_request' },
  A0415: { status: 400, error: 'invalid_request' },
}

export function oauthFailureOf(code: ErrorCode): { status: number; error: string } {
  const { status } = errorCodes[code]
  const byStatus =
    status === 503 || status === 429 ? 'temporarily_unavailable' : status < 500 ? 'access_denied' : 'server_error'
  return oauthWords[code] ?? { status, error: byStatus }
}

function oauthFailure(c: GatewayContext, thrown: unknown): Response {
  const error = noteFailure(c, thrown)
  // The path is not there, in whatever form.
  if (error.code === 'A0404') return failure(c, thrown)
  const { status, error: word } = oauthFailureOf(error.code)
  if (status === 403) replyHeader(c, 'WWW-Authenticate', `Bearer error="${word}"`)
  const wrong = Object.entries(error.fields ?? {}).map(([name, reason]) => `${name}: ${reason}`)
  const description = wrong.length > 0 ? wrong.join('; ') : error.words.en
  return rawReply(c, JSON.stringify({ error: word, error_description: inOAuthText(description) }), { status })
}

/** RFC 6749 section 5.2: ASCII without the quotation mark and the backslash. */
const inOAuthText = (text: string): string =>
  text.replaceAll('"', "'").replaceAll(/[^\x20-\x21\x23-\x5b\x5d-\x7e]/g, '')

function textFailure(c: GatewayContext, thrown: unknown): Response {
  const { code, fields = {} } = noteFailure(c, thrown)
  const { status, en } = errorCodes[code]
  const wrong = Object.entries(fields).map(([name, reason]) => `${name}: ${reason}\n`)
  return rawReply(c, `${code} ${en}\n${wrong.join('')}`, {
    status,
    headers: { 'Content-Type': 'text/plain; charset=UTF-8' },
  })
}

/** For a person in front of a browser. */
function pageFailure(c: GatewayContext, thrown: unknown): Response {
  const error = noteFailure(c, thrown)
  const { status } = errorCodes[error.code]
  const wrong = Object.entries(error.fields ?? {}).map(([name, reason]) => `<li>${asText(`${name}: ${reason}`)}</li>`)
  const list = wrong.length > 0 ? `<ul>${wrong.join('')}</ul>` : ''
  const body = `<p>${asText(error.words[languageOf(c)])}</p>${list}`
  return htmlPage(c, { title: `${status} ${error.code}`, body, status })
}

/** 401 for every user who may not pass: proxies understand no other refusal. */
export const proxyCodeOf = (code: ErrorCode): ErrorCode => (errorCodes[code].status === 403 ? 'A0230' : code)

function proxyFailure(c: GatewayContext, thrown: unknown): Response {
  const { code, message } = classify(thrown)
  const told = proxyCodeOf(code)
  return failure(c, told === code ? thrown : new GatewayError(told, { cause: thrown, note: message }))
}

export const failureAs: Record<FailureForm, (c: GatewayContext, thrown: unknown) => Response> = {
  envelope: failure,
  oauth: oauthFailure,
  text: textFailure,
  proxy: proxyFailure,
  page: pageFailure,
}
