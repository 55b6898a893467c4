/** The form of a signed token, checked before anything in it is used: one spelling, and JSON that every language reads alike. */

import { isUtf8 } from 'node:buffer'
import { VerifierError } from './error.ts'

export const MAX_TOKEN_CHARS = 16_384
const MAX_LEVELS = 128

/**
 * RFC 7515 section 2: base64url without padding, and of the spellings that decode to the same bytes the one that encoding
 * gives. Header and payload are I-JSON (RFC 7493): UTF-8, no name twice, so that no two readers differ about who it is.
 * `crit` and `b64` (RFC 7797) change what is signed; the gateway uses neither.
 */
export function requireForm(token: string, maxChars = MAX_TOKEN_CHARS): void {
  if (/^bearer /i.test(token)) throw malformed('the token has "Bearer " in front; pass the token alone')
  if (token.length > maxChars) throw malformed('the token is too long')
  const [header = '', payload = '', signature, ...more] = token.split('.', 4)
  if (signature === undefined || more.length > 0) throw malformed('this is not a signed JWT of three parts')
  if (decoded(signature) === undefined) throw malformed('the signature is not base64url in its one spelling')
  const headerMembers = readJson(header)
  if (!headerMembers) throw malformed('the header is not a JSON object in its one spelling')
  if (!readJson(payload)) throw malformed('the payload is not a JSON object in its one spelling')
  if ('crit' in headerMembers || 'b64' in headerMembers) throw malformed('the header asks for an extension')
}

const malformed = (words: string): VerifierError => new VerifierError('token_malformed', words)

/** The bytes, unless the text is padded, has white space, spare bits or letters of another alphabet: decoding is lenient about all of these. */
export function decoded(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64url')
  return bytes.toString('base64url') === text ? bytes : undefined
}

function readJson(part: string): object | undefined {
  const bytes = decoded(part)
  if (!bytes || !isUtf8(bytes)) return undefined
  const text = bytes.toString()
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  // Outside of its strings every colon in a JSON text stands behind a name; of a name given twice, parsing kept one.
  const names = text.replace(/"(?:[^"\\]|\\.)*"/g, '').split(':').length - 1
  return countNames(value, MAX_LEVELS) === names ? value : undefined
}

/** NaN, which equals nothing, for what is not I-JSON or too deep. */
function countNames(value: unknown, levels: number): number {
  if (typeof value === 'string') return value.isWellFormed() ? 0 : Number.NaN
  if (typeof value === 'number') return Number.isFinite(value) ? 0 : Number.NaN
  if (typeof value !== 'object' || value === null) return 0
  if (levels === 0) return Number.NaN
  if (Array.isArray(value)) return value.reduce((sum: number, item) => sum + countNames(item, levels - 1), 0)
  let sum = 0
  for (const [name, member] of Object.entries(value))
    sum += 1 + countNames(name, levels) + countNames(member, levels - 1)
  return sum
}
