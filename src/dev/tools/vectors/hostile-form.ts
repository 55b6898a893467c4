/** Hostile tokens: other spellings of the same bytes, and JSON that two readers would read differently. */

import { bad, GOOD, HEADER, HEADER_64, nested, PAYLOAD, PAYLOAD_64, raw, SIGNATURE_64, withMember } from './build.ts'
import type { Vector } from './format.ts'
import { claims, ENDED, NOW, token } from './gateway.ts'
import { base64url, signParts } from './sign.ts'

/** Another spelling of the same bytes: the spare bits of the last character are set. */
function withSpareBits(part: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  if (part.length % 4 === 0) throw new Error('this part has no spare bits')
  return part.slice(0, -1) + alphabet[alphabet.indexOf(part.at(-1) ?? '') + 1]
}

/** A header whose base64url has spare bits, signed as it is spelled. */
function signedWithSpareBits(): string {
  let text = HEADER
  while (base64url(text).length % 4 === 0) text = text.replace('{', '{ ')
  return signParts('es', withSpareBits(base64url(text)), PAYLOAD_64)
}

const bytes = (...parts: (string | number[])[]): Buffer =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.from(part))))

const spelling: Vector[] = [
  bad('empty-parts', 'dots alone', '..', 'token_malformed'),
  bad('one-part', 'one part', HEADER_64, 'token_malformed'),
  bad('two-parts', 'two parts', `${HEADER_64}.${PAYLOAD_64}`, 'token_malformed'),
  bad('four-parts', 'four parts', `${GOOD}.${SIGNATURE_64}`, 'token_malformed'),
  bad('five-parts', 'the five parts of a JWE', `${GOOD}.${SIGNATURE_64}.${SIGNATURE_64}`, 'token_malformed'),
  bad('nonsense', 'no token at all', 'not a token', 'token_malformed'),
  bad('empty', 'nothing', '', 'token_missing'),
  bad('bearer', 'the scheme in front', `Bearer ${GOOD}`, 'token_malformed'),
  bad('padding', 'padding behind the signature', `${GOOD}==`, 'token_malformed'),
  bad(
    'padding-signed',
    'padding in a part that is signed so',
    signParts('es', `${base64url(HEADER)}${'='.repeat((4 - (base64url(HEADER).length % 4)) % 4 || 4)}`, PAYLOAD_64),
    'token_malformed',
  ),
  bad('space-in-front', 'a space in front', ` ${GOOD}`, 'token_malformed'),
  bad('space-behind', 'a space behind', `${GOOD} `, 'token_malformed'),
  bad('newline-behind', 'a line feed behind', `${GOOD}\n`, 'token_malformed'),
  bad(
    'newline-inside',
    'a line feed inside the payload',
    `${HEADER_64}.${PAYLOAD_64.slice(0, 20)}\n${PAYLOAD_64.slice(20)}.${SIGNATURE_64}`,
    'token_malformed',
  ),
  bad(
    'newline-inside-signed',
    'a line feed inside the payload, signed so',
    signParts('es', HEADER_64, `${PAYLOAD_64.slice(0, 20)}\n${PAYLOAD_64.slice(20)}`),
    'token_malformed',
  ),
  bad(
    'tab-inside',
    'a tab inside the signature',
    `${HEADER_64}.${PAYLOAD_64}.${SIGNATURE_64.slice(0, 20)}\t${SIGNATURE_64.slice(20)}`,
    'token_malformed',
  ),
  bad('nul-behind', 'a NUL behind', `${GOOD}\0`, 'token_malformed'),
  bad(
    'spare-bits-signature',
    'spare bits set in the signature: another spelling of the same bytes',
    `${HEADER_64}.${PAYLOAD_64}.${withSpareBits(SIGNATURE_64)}`,
    'token_malformed',
  ),
  bad('spare-bits-header', 'spare bits set in the header, signed so', signedWithSpareBits(), 'token_malformed'),
  bad(
    'length-of-a-part',
    'a part of a length that base64 does not have',
    `${HEADER_64}.${PAYLOAD_64}.${SIGNATURE_64.slice(0, 85)}`,
    'token_malformed',
  ),
  bad(
    'standard-alphabet',
    'the alphabet of plain base64',
    raw(HEADER, JSON.stringify(claims({ jti: '~~~???>>>' })))
      .replaceAll('-', '+')
      .replaceAll('_', '/'),
    'token_malformed',
  ),
  bad(
    'letter-outside',
    'a letter outside the alphabet',
    `${HEADER_64}.${PAYLOAD_64}.é${SIGNATURE_64.slice(1)}`,
    'token_malformed',
  ),
  bad(
    'fullwidth',
    'full-width letters that a careless decoder folds',
    `${HEADER_64}.${PAYLOAD_64}.Ａ${SIGNATURE_64.slice(1)}`,
    'token_malformed',
  ),
  bad(
    'json-serialization',
    'the JSON serialization of a JWS',
    JSON.stringify({ protected: HEADER_64, payload: PAYLOAD_64, signature: SIGNATURE_64 }),
    'token_malformed',
  ),
  bad('too-long', 'longer than 16,384 characters', token({ ext: { filler: 'a'.repeat(13_000) } }), 'token_malformed'),
  bad('as-long-as-a-book', 'a hundred thousand letters', 'A'.repeat(100_000), 'token_malformed'),
  bad('dots', 'ten thousand dots', '.'.repeat(10_000), 'token_malformed'),
]

const json: Vector[] = [
  bad('header-no-json', 'the header is no JSON', raw('nonsense', PAYLOAD), 'token_malformed'),
  bad('header-list', 'the header is a list', raw('[]', PAYLOAD), 'token_malformed'),
  bad('header-null', 'the header is null', raw('null', PAYLOAD), 'token_malformed'),
  bad('header-text-behind', 'something behind the header’s JSON', raw(`${HEADER}x`, PAYLOAD), 'token_malformed'),
  bad('payload-no-json', 'the payload is no JSON', raw(HEADER, 'nonsense'), 'token_malformed'),
  bad('payload-list', 'the payload is a list', raw(HEADER, `[${PAYLOAD}]`), 'token_malformed'),
  bad('payload-null', 'the payload is null', raw(HEADER, 'null'), 'token_malformed'),
  bad('payload-string', 'the payload is a string', raw(HEADER, JSON.stringify(PAYLOAD)), 'token_malformed'),
  bad('payload-empty', 'the payload is empty', raw(HEADER, ''), 'token_malformed'),
  bad('payload-two-objects', 'two objects, one behind the other', raw(HEADER, PAYLOAD + PAYLOAD), 'token_malformed'),
  bad('payload-cut', 'the payload’s JSON ends early', raw(HEADER, PAYLOAD.slice(0, -1)), 'token_malformed'),
  bad('payload-comment', 'a comment in the JSON', raw(HEADER, PAYLOAD.replace('{', '{/**/')), 'token_malformed'),
  bad('payload-trailing-comma', 'a comma too many', raw(HEADER, PAYLOAD.replace(/}$/, ',}')), 'token_malformed'),
  bad('payload-single-quotes', 'single quotes', raw(HEADER, PAYLOAD.replaceAll('"', "'")), 'token_malformed'),
  bad('payload-nan', 'NaN is not JSON', raw(HEADER, withMember(PAYLOAD, '"nbf":NaN')), 'token_malformed'),
  bad(
    'payload-infinity',
    'Infinity is not JSON',
    raw(HEADER, PAYLOAD.replace(`"exp":${NOW + 900}`, '"exp":Infinity')),
    'token_malformed',
  ),
  bad(
    'payload-leading-zero',
    'a number with a leading zero',
    raw(HEADER, PAYLOAD.replace('"exp":', '"exp":0')),
    'token_malformed',
  ),
  bad('payload-plus', 'a number with a plus', raw(HEADER, PAYLOAD.replace('"exp":', '"exp":+')), 'token_malformed'),
  bad(
    'payload-control',
    'a raw line feed in a string',
    raw(HEADER, PAYLOAD.replace('user-1', 'user\n1')),
    'token_malformed',
  ),
  bad('payload-bom', 'a byte order mark in front of the payload', raw(HEADER, `\ufeff${PAYLOAD}`), 'token_malformed'),
  bad('header-bom', 'a byte order mark in front of the header', raw(`\ufeff${HEADER}`, PAYLOAD), 'token_malformed'),
  bad('payload-utf16', 'the payload in UTF-16', raw(HEADER, Buffer.from(PAYLOAD, 'utf16le')), 'token_malformed'),
  bad(
    'payload-no-utf8',
    'bytes that are no UTF-8',
    raw(HEADER, bytes(PAYLOAD.slice(0, -1), ',"x":"', [0xff, 0xfe], '"}')),
    'token_malformed',
  ),
  bad(
    'payload-overlong-utf8',
    'an overlong UTF-8 sequence',
    raw(HEADER, bytes(PAYLOAD.slice(0, -1), ',"x":"', [0xc0, 0xaf], '"}')),
    'token_malformed',
  ),
  bad(
    'payload-surrogate-utf8',
    'a surrogate in UTF-8',
    raw(HEADER, bytes(PAYLOAD.slice(0, -1), ',"x":"', [0xed, 0xa0, 0x80], '"}')),
    'token_malformed',
  ),
  bad(
    'unpaired-surrogate',
    'an unpaired surrogate in an escape (RFC 7493 section 2.1)',
    raw(HEADER, PAYLOAD.replace('user-1', '\\ud800')),
    'token_malformed',
  ),
  bad(
    'unpaired-surrogate-low',
    'a low surrogate first',
    raw(HEADER, withMember(PAYLOAD, '"x":"\\udc00\\ud800"')),
    'token_malformed',
  ),
  bad(
    'unpaired-surrogate-name',
    'an unpaired surrogate in a member’s name',
    raw(HEADER, withMember(PAYLOAD, '"\\uD83D":1')),
    'token_malformed',
  ),
  bad(
    'number-too-large',
    'a number that no double holds',
    raw(HEADER, PAYLOAD.replace(`"exp":${NOW + 900}`, '"exp":1e400')),
    'token_malformed',
  ),
  bad(
    'number-too-large-elsewhere',
    'a number that no double holds, in a claim that nobody reads',
    raw(HEADER, withMember(PAYLOAD, '"x":[-1e999]')),
    'token_malformed',
  ),
  bad(
    'nested-deep',
    'nested 129 levels deep',
    raw(HEADER, withMember(PAYLOAD, `"x":${nested(128)}`)),
    'token_malformed',
  ),
  bad(
    'nested-very-deep',
    'nested 5,000 levels deep',
    raw(HEADER, withMember(PAYLOAD, `"x":${nested(5000)}`)),
    'token_malformed',
  ),
  bad(
    'header-nested-very-deep',
    'a header nested 5,000 levels deep',
    raw(withMember(HEADER, `"x":${nested(5000)}`), PAYLOAD),
    'token_malformed',
  ),
  bad(
    'duplicate-sub',
    'two subjects: readers would differ about who it is (RFC 7493 section 2.3)',
    raw(HEADER, withMember(PAYLOAD, '"sub":"user-2"')),
    'token_malformed',
  ),
  bad(
    'duplicate-first',
    'two subjects, the true one last',
    raw(HEADER, PAYLOAD.replace('{', '{"sub":"user-2",')),
    'token_malformed',
  ),
  bad('duplicate-same', 'twice the same member', raw(HEADER, withMember(PAYLOAD, '"sub":"user-1"')), 'token_malformed'),
  bad(
    'duplicate-escaped',
    'the second is spelled with an escape',
    raw(HEADER, withMember(PAYLOAD, '"\\u0073ub":"user-2"')),
    'token_malformed',
  ),
  bad(
    'duplicate-iss',
    'two issuers',
    raw(HEADER, PAYLOAD.replace('{', '{"iss":"https://evil.example.com",')),
    'token_malformed',
  ),
  bad(
    'duplicate-nested',
    'two indexes in status_list',
    raw(HEADER, PAYLOAD.replace('"idx":0', `"idx":0,"idx":${ENDED}`)),
    'token_malformed',
  ),
  bad(
    'duplicate-unread',
    'a duplicate inside a claim that nobody reads',
    raw(HEADER, withMember(PAYLOAD, '"x":[{"a":1,"a":1}]')),
    'token_malformed',
  ),
  bad(
    'duplicate-alg',
    'two algorithms in the header',
    raw(HEADER.replace('{', '{"alg":"none",'), PAYLOAD),
    'token_malformed',
  ),
  bad('duplicate-kid', 'two kids in the header', raw(withMember(HEADER, '"kid":"x"'), PAYLOAD), 'token_malformed'),
]

export const hostileForms: Vector[] = [...spelling, ...json]
