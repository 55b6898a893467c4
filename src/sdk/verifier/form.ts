/** The form of a signed token, checked before anything in it is used: one spelling, and JSON that every language reads alike. */

import { isUtf8 } from 'node:buffer'
import { VerifierError } from './error.ts'

export const MAX_TOKEN_CHARS = 16_384
const MAX_LEVELS = 128

/** A payload as it was written; nothing in it is proved yet. */
export type Claims = Record<string, unknown>

/**
 * RFC 7515 section 2: base64url without padding, and of the spellings that decode to the same bytes the one that encoding
 * gives. Header and payload are I-JSON (RFC 7493): UTF-8, no name twice, so that no two readers differ about who it is.
 * `crit` and `b64` (RFC 7797) change what is signed; the gateway uses neither.
 */
export function readForm(token: string, maxChars = MAX_TOKEN_CHARS): Claims {
  if (/^bearer /i.test(token)) throw malformed('the token has "Bearer " in front; pass the token alone')
  if (token.length > maxChars) throw malformed('the token is too long')
  const [header = '', payload = '', signature, ...more] = token.split('.', 4)
  if (signature === undefined || more.length > 0) throw malformed('this is not a signed JWT of three parts')
  if (!isSpelledOnce(signature)) throw malformed('the signature is not base64url in its one spelling')
  if (!goodHeaders.has(header)) requireHeader(header)
  const claims = readJson(payload)
  if (!claims) throw malformed('the payload is not a JSON object in its one spelling')
  return claims
}

/** All tokens of a key have the same header, so it is read once. */
const goodHeaders = new Set<string>()
const MAX_GOOD_HEADERS = 64

function requireHeader(header: string): void {
  const members = readJson(header)
  if (!members) throw malformed('the header is not a JSON object in its one spelling')
  if ('crit' in members || 'b64' in members) throw malformed('the header asks for an extension')
  if (goodHeaders.size === MAX_GOOD_HEADERS) goodHeaders.clear()
  goodHeaders.add(header)
}

const malformed = (words: string): VerifierError => new VerifierError('token_malformed', words)

/** Letters that set no bits beyond the last whole byte, by how many letters the last group has: one alone is none. */
const LAST_LETTERS = ['', undefined, 'AQgw', 'AEIMQUYcgkosw048']

/** Without padding, white space, spare bits or letters of another alphabet: decoding is lenient about all of these. */
function isSpelledOnce(text: string): boolean {
  const last = LAST_LETTERS[text.length % 4]
  return last !== undefined && (last === '' || last.includes(text.charAt(text.length - 1))) && /^[\w-]*$/.test(text)
}

/** The bytes, of a text in its one spelling. */
export const decoded = (text: string): Buffer | undefined =>
  isSpelledOnce(text) ? Buffer.from(text, 'base64url') : undefined

function readJson(part: string): Claims | undefined {
  const bytes = decoded(part)
  if (!bytes || !isUtf8(bytes)) return undefined
  const text = bytes.toString()
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  if (!isRecord(value)) return undefined
  // Of a name given twice parsing kept one, so that there are fewer in the value than in the text.
  return countNames(value, text.includes('\\u'), MAX_LEVELS) === namesIn(text) ? value : undefined
}

/** Outside of its strings every colon of a JSON text stands behind a name. */
function namesIn(text: string): number {
  let names = 0
  let inside = false
  for (let at = 0; at < text.length; at += 1) {
    const letter = text.charCodeAt(at)
    if (letter === QUOTE) inside = !inside
    else if (letter === BACKSLASH) at += 1
    else if (letter === COLON && !inside) names += 1
  }
  return names
}

const [QUOTE, BACKSLASH, COLON] = [0x22, 0x5c, 0x3a]

/** NaN, which equals nothing, for what is not I-JSON or too deep. Only an escape can spell an unpaired surrogate: bytes that hold one are no UTF-8. */
function countNames(value: unknown, escaped: boolean, levels: number): number {
  if (typeof value === 'string') return escaped && !value.isWellFormed() ? Number.NaN : 0
  if (typeof value === 'number') return Number.isFinite(value) ? 0 : Number.NaN
  if (typeof value !== 'object' || value === null) return 0
  if (levels === 0) return Number.NaN
  let sum = 0
  for (const [name, member] of Object.entries(value)) {
    if (!Array.isArray(value)) sum += 1 + countNames(name, escaped, levels)
    sum += countNames(member, escaped, levels - 1)
  }
  return sum
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
