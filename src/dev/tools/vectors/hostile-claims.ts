/** Hostile tokens: of another kind, of another issuer, for others, expired, or with claims that are not what they should be. */

import { bad } from './build.ts'
import type { Vector } from './format.ts'
import { AUDIENCE, claims, ENDED, event, header, ISSUER, list, listClaims, NOW, token, tokenFor } from './gateway.ts'
import { base64url, signParts, testKey } from './sign.ts'

const without = (member: string): string => token({ [member]: undefined })

const headers: Vector[] = [
  ...['statuslist+jwt', 'secevent+jwt', 'id+jwt', 'logout+jwt', 'JWS', '', 'at+jwt2', 'text/at+jwt'].map((typ) =>
    bad(`typ-${typ || 'empty'}`, 'of another kind (RFC 8725 section 3.11)', token({}, { typ }), 'type_mismatch'),
  ),
  bad('typ-missing', 'no typ', token({}, { typ: undefined }), 'type_mismatch'),
  bad('typ-null', 'typ is null', token({}, { typ: null }), 'type_mismatch'),
  bad('typ-number', 'typ is a number', token({}, { typ: 7 }), 'type_mismatch'),
  bad('typ-space', 'a space behind typ', token({}, { typ: 'JWT ' }), 'type_mismatch'),
  bad('status-list', 'a status list in the place of a token', list(), 'type_mismatch'),
  bad(
    'status-list-with-claims',
    'a status list with all claims of a token',
    list({ claims: { ...claims(), status_list: listClaims().status_list } }),
    'type_mismatch',
  ),
  bad('event', 'a security event in the place of a token', event(), 'type_mismatch'),
  bad('event-with-claims', 'a security event with all claims of a token', event(claims()), 'type_mismatch'),
  bad('crit-unknown', 'crit with an unknown extension', token({}, { crit: ['x'], x: 1 }), 'token_malformed'),
  bad('crit-empty', 'an empty crit', token({}, { crit: [] }), 'token_malformed'),
  bad('crit-exp', 'crit that names exp', token({}, { crit: ['exp'], exp: NOW + 900 }), 'token_malformed'),
  bad('crit-no-list', 'crit is no list', token({}, { crit: 'b64' }), 'token_malformed'),
  bad('crit-b64-true', 'b64 true, declared critical', token({}, { crit: ['b64'], b64: true }), 'token_malformed'),
  bad(
    'b64-false',
    'b64 false (RFC 7797), declared critical',
    token({}, { crit: ['b64'], b64: false }),
    'token_malformed',
  ),
  bad('b64-false-quiet', 'b64 false, not declared', token({}, { b64: false }), 'token_malformed'),
  bad(
    'b64-false-raw',
    'an unencoded payload',
    signParts('es', base64url(JSON.stringify(header('es', { crit: ['b64'], b64: false }))), '{}'),
    'token_malformed',
  ),
]

const claimAttacks: Vector[] = [
  bad('expired', 'expired for 5 s: the tolerance is over', token({ exp: NOW - 5 }), 'token_expired'),
  bad('expired-long-ago', 'expired in 1970', token({ exp: 0 }), 'token_expired'),
  bad('expired-negative', 'a negative exp', token({ exp: -1 }), 'token_expired'),
  bad('expired-no-tolerance', 'expires now, no tolerance', token({ exp: NOW }), 'token_expired', {
    config: { clockToleranceSeconds: 0 },
  }),
  bad(
    'expired-ended',
    'expired and ended: the first counts',
    tokenFor(ENDED, undefined, { exp: NOW - 900 }),
    'token_expired',
  ),
  bad('not-yet', 'valid in 6 s', token({ nbf: NOW + 6 }), 'token_not_yet_valid'),
  bad('not-yet-far', 'valid in a thousand years', token({ nbf: 1e300 }), 'token_not_yet_valid'),
  ...['exp', 'iss', 'aud', 'sub', 'sid', 'client_id', 'jti', 'iat'].map((claim) =>
    bad(`no-${claim}`, `no ${claim}`, without(claim), 'claim_missing'),
  ),
  ...['sub', 'sid', 'client_id', 'jti'].flatMap((claim) => [
    bad(`empty-${claim}`, `an empty ${claim}`, token({ [claim]: '' }), 'claim_invalid'),
    bad(`number-${claim}`, `${claim} is a number`, token({ [claim]: 1 }), 'claim_invalid'),
    bad(`null-${claim}`, `${claim} is null`, token({ [claim]: null }), 'claim_invalid'),
  ]),
  ...['exp', 'nbf', 'iat'].flatMap((claim) => [
    bad(`text-${claim}`, `${claim} is text`, token({ [claim]: String(NOW) }), 'claim_invalid'),
    bad(`null-${claim}`, `${claim} is null`, token({ [claim]: null }), 'claim_invalid'),
    bad(`bool-${claim}`, `${claim} is true`, token({ [claim]: true }), 'claim_invalid'),
  ]),
  bad('list-exp', 'exp is a list', token({ exp: [NOW + 900] }), 'claim_invalid'),
  bad('iss-other', 'of another issuer', token({ iss: 'https://evil.example.com' }), 'issuer_mismatch'),
  bad('iss-slash', 'an issuer with one slash more', token({ iss: `${ISSUER}/` }), 'issuer_mismatch'),
  bad('iss-case', 'the issuer in another case', token({ iss: ISSUER.toUpperCase() }), 'issuer_mismatch'),
  bad('iss-http', 'the issuer without TLS', token({ iss: 'http://auth.example.com' }), 'issuer_mismatch'),
  bad('iss-prefix', 'an issuer that begins like ours', token({ iss: `${ISSUER}.evil.example` }), 'issuer_mismatch'),
  bad('iss-list', 'iss is a list', token({ iss: [ISSUER] }), 'issuer_mismatch'),
  bad('iss-null', 'iss is null', token({ iss: null }), 'issuer_mismatch'),
  bad('aud-other', 'for another audience', token({ aud: 'https://other.example.com' }), 'audience_mismatch'),
  bad(
    'aud-others',
    'for other audiences',
    token({ aud: ['https://other.example.com', 'https://third.example.com'] }),
    'audience_mismatch',
  ),
  bad('aud-none', 'for nobody', token({ aud: [] }), 'audience_mismatch'),
  bad('aud-empty', 'an empty audience', token({ aud: '' }), 'audience_mismatch'),
  bad('aud-prefix', 'an audience that begins like ours', token({ aud: `${AUDIENCE}/` }), 'audience_mismatch'),
  bad('aud-part', 'a part of our audience', token({ aud: 'orders' }), 'audience_mismatch'),
  bad('aud-object', 'aud is an object', token({ aud: { 0: AUDIENCE } }), 'audience_mismatch'),
  bad('aud-null', 'aud is null', token({ aud: null }), 'audience_mismatch'),
  bad('aud-mixed', 'ours among what is no text', token({ aud: [1, AUDIENCE] }), 'audience_mismatch'),
  bad('aud-nested', 'ours in a list within the list', token({ aud: [[AUDIENCE]] }), 'audience_mismatch'),
  bad('aud-comma', 'several in one text', token({ aud: `${AUDIENCE},https://other.example.com` }), 'audience_mismatch'),
  bad('roles-text', 'roles in one text', token({ roles: 'admin' }), 'claim_invalid'),
  bad('roles-mixed', 'a role that is no text', token({ roles: ['admin', 1] }), 'claim_invalid'),
  bad('roles-object', 'roles are an object', token({ roles: { admin: true } }), 'claim_invalid'),
  bad('roles-null', 'roles are null', token({ roles: null }), 'claim_invalid'),
  ...['openid', 'unionid', 'platform'].map((claim) =>
    bad(`number-${claim}`, `${claim} is a number`, token({ [claim]: 1 }), 'claim_invalid'),
  ),
  bad('null-openid', 'openid is null', token({ openid: null }), 'claim_invalid'),
  bad(
    'issuer-before-expiry',
    'of another issuer and expired: the issuer counts',
    token({ iss: 'https://evil.example.com', exp: 0 }),
    'issuer_mismatch',
  ),
  bad(
    'missing-first',
    'no exp and another issuer: what is missing counts',
    token({ iss: 'https://evil.example.com', exp: undefined }),
    'claim_missing',
  ),
  bad(
    'issuer-before-audience',
    'of another issuer and for another audience',
    token({ iss: 'https://evil.example.com', aud: 'x' }),
    'issuer_mismatch',
  ),
  bad('audience-before-expiry', 'for another audience and expired', token({ aud: 'x', exp: 0 }), 'audience_mismatch'),
  bad('expiry-before-shape', 'expired and without sub', token({ exp: 0, sub: undefined }), 'token_expired'),
  bad(
    'type-before-key',
    'of another kind and of an unknown key',
    token({}, { typ: 'x' }, 'stranger-es'),
    'type_mismatch',
  ),
  bad(
    'algorithm-before-type',
    'a refused algorithm and another kind',
    token({}, { alg: 'HS256', typ: 'x' }),
    'algorithm_refused',
  ),
  bad(
    'signature-before-claims',
    'forged and expired',
    token({ exp: 0 }, { kid: testKey('es').kid }, 'stranger-es'),
    'signature_invalid',
  ),
]

export const hostileClaims: Vector[] = [...headers, ...claimAttacks]
