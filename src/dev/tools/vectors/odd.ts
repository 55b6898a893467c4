/** Tokens that look strange and are good, and configurations at their edges: where verifiers of several languages are likely to differ. */

import { HEADER, nested, PAYLOAD, raw, withMember } from './build.ts'
import type { Vector } from './format.ts'
import {
  AUDIENCE,
  accepted,
  claims,
  ENDED,
  header,
  ISSUER,
  JWKS,
  json,
  LIST_URI,
  type Members,
  NOW,
  refused,
  token,
  tokenFor,
} from './gateway.ts'
import { base64url, publicJwk, signParts } from './sign.ts'

const odd = (id: string, why: string, text: string, more: Partial<Vector> = {}): Vector => ({
  id: `odd-${id}`,
  why,
  call: 'verify',
  token: text,
  expect: accepted(),
  ...more,
})

const text = (sub: string): Partial<Vector> => ({ expect: accepted({ sub }) })
const withJwks = (...keys: Members[]): Partial<Vector> => ({ gateway: { [JWKS]: json({ keys }) } })

const unicode: Vector[] = [
  odd('chinese', 'Chinese text', token({ sub: '用户一', platform: '微信' }), {
    expect: accepted({ sub: '用户一', platform: '微信' }),
  }),
  odd('emoji', 'a letter outside the basic plane', token({ sub: 'user-😀' }), text('user-😀')),
  odd(
    'emoji-escaped',
    'the same as a pair of escapes',
    raw(HEADER, PAYLOAD.replace('user-1', 'user-\\ud83d\\uDE00')),
    text('user-😀'),
  ),
  odd(
    'escapes',
    'every escape that JSON has',
    raw(HEADER, PAYLOAD.replace('user-1', '\\u0075ser\\/\\\\\\"\\b\\f\\n\\r\\t')),
    text('user/\\"\b\f\n\r\t'),
  ),
  odd(
    'escaped-backslash',
    'an escaped backslash in front of ud800: no surrogate',
    raw(HEADER, PAYLOAD.replace('user-1', 'user\\\\ud800')),
    text('user\\ud800'),
  ),
  odd('nul', 'an escaped NUL inside a text', raw(HEADER, PAYLOAD.replace('user-1', 'user\\u0000x')), text('user\0x')),
  odd(
    'not-normalized',
    'a letter and its accent apart: texts are compared and handed on as they are',
    token({ sub: 'e\u0301' }),
    text('e\u0301'),
  ),
  odd('right-to-left', 'a mark that turns the direction of writing', token({ sub: 'a\u202eb' }), text('a\u202eb')),
  odd('bom-inside', 'a byte order mark inside a text', token({ sub: 'a\ufeffb' }), text('a\ufeffb')),
  odd('noncharacter', 'U+FFFF', token({ sub: 'a\uffffb' }), text('a\uffffb')),
  odd(
    'escaped-name',
    'a member’s name spelled with an escape',
    raw(HEADER.replace('"alg"', '"\\u0061lg"'), PAYLOAD.replace('"sub"', '"\\u0073ub"')),
  ),
  odd('colon-and-quotes', 'a text that looks like members', token({ sub: '","sub":"user-2' }), text('","sub":"user-2')),
]

const form: Vector[] = [
  odd(
    'json-white-space',
    'white space between the members',
    raw(JSON.stringify(header('es'), null, 2), JSON.stringify(claims(), null, '\t')),
  ),
  odd('json-white-space-around', 'white space around the objects', raw(` \r\n${HEADER}\n`, `\t${PAYLOAD} `)),
  odd(
    'unknown-claims',
    'claims that nobody knows, of every type',
    token({ a: null, b: [1, { c: 2 }], d: false, e: 1.5, f: 'x', '': 0 }),
    { expect: accepted({ a: null, b: [1, { c: 2 }], d: false, e: 1.5, f: 'x', '': 0 }) },
  ),
  odd('unknown-header', 'header members that nobody knows', token({}, { a: null, cty: 'x', nonce: 1, x5t: 'x' })),
  odd(
    'jku-unused',
    'a good token that names a jku: it leads nowhere',
    token({}, { jku: 'https://evil.example.com/jwks.json', x5u: 'https://evil.example.com/cert' }),
  ),
  odd(
    'jwk-unused',
    'a good token that carries another key: it is not looked at',
    token({}, { jwk: publicJwk('stranger-es') }),
  ),
  odd(
    'case-of-names',
    'names in another case are other names',
    token({ ISS: 'x', Sub: 'user-2', EXP: 0, Aud: 1, STATUS: 1 }, { ALG: 'none', Kid: 'x', TYP: 'x' }),
  ),
  odd('empty-name', 'a member without a name', token({ '': { '': 1 } })),
  odd(
    'proto',
    'members named as every object of some languages has them',
    raw(HEADER, withMember(PAYLOAD, '"__proto__":{"sub":"user-2"},"constructor":1,"toString":null')),
  ),
  odd('same-name-apart', 'one name in two objects is no duplicate', token({ ext: { sub: 'x', iss: 'x' } })),
  odd('nested', 'nested 100 levels deep', raw(HEADER, withMember(PAYLOAD, `"x":${nested(99)}`))),
  odd('nested-128', 'nested 128 levels deep', raw(HEADER, withMember(PAYLOAD, `"x":${nested(127)}`))),
  odd('long', 'close to the longest that is accepted', token({ ext: { filler: 'a'.repeat(11_000) } })),
  odd(
    'many-members',
    'a thousand members',
    token({ ext: Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`k${i}`, i])) }),
  ),
  odd(
    'signature-part-order',
    'a payload in another order',
    raw(HEADER, JSON.stringify(Object.fromEntries(Object.entries(claims()).reverse()))),
  ),
  odd('payload-in-payload', 'a token inside the token', token({ ext: { token: token({ sub: 'user-2' }) } })),
]

const numbers: Vector[] = [
  odd('exp-fraction', 'RFC 7519 section 2: a NumericDate may have a fraction', token({ exp: NOW + 900.5 })),
  odd('exp-exponent', 'a number with an exponent', raw(HEADER, PAYLOAD.replace(String(NOW + 900), '1.767226500e9'))),
  odd('exp-far', 'good for a thousand years', token({ exp: NOW + 31_556_926_000 })),
  odd(
    'exp-beyond-64-bits',
    'an exp that no 64 bit integer holds',
    raw(HEADER, PAYLOAD.replace(String(NOW + 900), '99999999999999999999')),
  ),
  odd('exp-1e300', 'an exp that only a double holds', token({ exp: 1e300 })),
  odd('iat-future', 'issued tomorrow: that alone refuses nothing', token({ iat: NOW + 86_400 })),
  odd('iat-zero', 'issued in 1970', token({ iat: 0 })),
  odd('iat-negative', 'issued before 1970', token({ iat: -1 })),
  odd('iat-fraction', 'issued within a second', token({ iat: NOW - 0.25 })),
  odd('nbf-zero', 'valid since 1970', token({ nbf: 0 })),
  odd('nbf-negative', 'valid since before 1970', token({ nbf: -1e9 })),
  odd('exp-before-iat', 'expires before it was issued, yet after now', token({ iat: NOW + 1000, exp: NOW + 900 })),
  odd(
    'index-with-fraction-zero',
    'the index is 7.0, which is 7',
    raw(HEADER, PAYLOAD.replace('"idx":0', '"idx":7.0')),
    {
      expect: refused('session_ended'),
    },
  ),
  odd('index-exponent', 'the index is 0.7e1, which is 7', raw(HEADER, PAYLOAD.replace('"idx":0', '"idx":0.7e1')), {
    expect: refused('session_ended'),
  }),
  odd('index-minus-zero', 'the index is -0, which is 0', raw(HEADER, PAYLOAD.replace('"idx":0', '"idx":-0'))),
  odd(
    'number-many-digits',
    'more digits than a double holds, in a claim that nobody reads',
    raw(HEADER, withMember(PAYLOAD, `"x":${'1'.repeat(300)}`)),
  ),
]

const clocks: Vector[] = [
  odd('tolerance-zero-nbf', 'valid from now on, no tolerance', token({ nbf: NOW }), {
    config: { clockToleranceSeconds: 0 },
  }),
  odd('tolerance-edge-exp', 'the last second of the tolerance', token({ exp: NOW - 4 }), {
    config: { clockToleranceSeconds: 5 },
  }),
  odd('tolerance-past-exp', 'one second past it', token({ exp: NOW - 5 }), {
    config: { clockToleranceSeconds: 5 },
    expect: refused('token_expired'),
  }),
  odd('tolerance-edge-nbf', 'the first second of the tolerance', token({ nbf: NOW + 60 }), {
    config: { clockToleranceSeconds: 60 },
  }),
  odd('tolerance-past-nbf', 'one second before it', token({ nbf: NOW + 61 }), {
    config: { clockToleranceSeconds: 60 },
    expect: refused('token_not_yet_valid'),
  }),
]

const audiences: Vector[] = [
  odd('audience-twice', 'our audience twice', token({ aud: [AUDIENCE, AUDIENCE] })),
  odd(
    'audience-many',
    'a hundred audiences, ours last',
    token({ aud: [...Array.from({ length: 99 }, (_, i) => `https://s${i}.example.com`), AUDIENCE] }),
  ),
  odd('audience-case', 'the audience in another case', token({ aud: AUDIENCE.toUpperCase() }), {
    expect: refused('audience_mismatch'),
  }),
  odd('audience-is-issuer', 'the audience is the issuer, as by default', token({ aud: ISSUER }), {
    config: { audience: [ISSUER] },
  }),
  odd('audience-several-none', 'several on both sides, none in common', token({ aud: ['a', 'b'] }), {
    config: { audience: ['c', 'd'] },
    expect: refused('audience_mismatch'),
  }),
  odd('audience-empty-member', 'an empty text among the audiences', token({ aud: ['', AUDIENCE] })),
]

const keySets: Vector[] = [
  odd(
    'jwks-with-strangers',
    'a JWKS with what we do not know: the rest is used',
    token(),
    withJwks(
      { kty: 'AKP', kid: 'pq', alg: 'ML-DSA-44', pub: 'AA' },
      { kty: 'EC', crv: 'P-521', kid: 'x', alg: 'ES512', x: 'AA', y: 'AA' },
      { kty: 'nonsense' },
      publicJwk('es'),
    ),
  ),
  odd(
    'jwks-with-broken-key',
    'a JWKS with a broken key: the rest is used',
    token(),
    withJwks({ ...publicJwk('rs'), n: '' }, { ...publicJwk('stranger-es'), x: 'AAAA' }, publicJwk('es')),
  ),
  odd('jwks-with-no-objects', 'a JWKS with members that are no objects', token(), {
    gateway: { [JWKS]: { body: JSON.stringify({ keys: [null, 1, 'x', [], publicJwk('es')] }) } },
  }),
  odd(
    'jwks-without-kid',
    'a JWKS with a key without kid: the rest is used',
    token(),
    withJwks({ ...publicJwk('stranger-es'), kid: undefined }, publicJwk('es')),
  ),
  odd('jwks-content-type', 'a JWKS as application/jwk-set+json', token(), {
    gateway: {
      [JWKS]: {
        headers: { 'content-type': 'application/jwk-set+json' },
        body: JSON.stringify({ keys: [publicJwk('es')] }),
      },
    },
  }),
  odd('jwks-no-content-type', 'a JWKS without a content type', token(), {
    gateway: { [JWKS]: { body: JSON.stringify({ keys: [publicJwk('es')] }) } },
  }),
  odd(
    'jwks-many-keys',
    'a JWKS of fifty keys, ours last',
    token(),
    withJwks(...Array.from({ length: 49 }, (_, i) => ({ ...publicJwk('stranger-es'), kid: `k${i}` })), publicJwk('es')),
  ),
  odd('metadata-more', 'metadata with members that nobody knows', token(), {
    gateway: { '/.well-known/openid-configuration': json({ issuer: ISSUER, jwks_uri: ISSUER + JWKS, x: [1] }) },
  }),
]

const sessions: Vector[] = [
  odd(
    'status-other-kinds',
    'another kind of status beside the list',
    token({ status: { status_list: { idx: 0, uri: LIST_URI, x: 1 }, other: { y: 1 } } }),
  ),
  odd('empty-status-refused', 'no status, and the service wants one', token({ status: undefined }), {
    config: { onMissingStatus: 'refuse' },
    expect: refused('claim_missing'),
  }),
  odd('token-of-an-ended-session', 'the session has ended', tokenFor(ENDED), { expect: refused('session_ended') }),
  odd('b64-in-payload', 'b64 and crit as claims are only claims', token({ crit: ['x'], b64: false })),
  odd(
    'kid-from-elsewhere',
    'a kid with letters that are no base64',
    signParts('es', base64url(JSON.stringify(header('es', { kid: 'schlüssel 1/ä' }))), base64url(PAYLOAD)),
    withJwks({ ...publicJwk('es'), kid: 'schlüssel 1/ä' }),
  ),
]

export const oddVectors: Vector[] = [...unicode, ...form, ...numbers, ...clocks, ...audiences, ...keySets, ...sessions]
