/** Security event tokens (RFC 8417): what `verifyEvent` accepts, and everything that must not pass as one. */

import { createHmac } from 'node:crypto'
import type { Vector } from './format.ts'
import {
  AUDIENCE,
  accepted,
  claims,
  ENDED_EVENT,
  event,
  eventClaims,
  header,
  ISSUER,
  JWKS,
  json,
  LIST,
  list,
  type Members,
  NOW,
  refused,
  token,
} from './gateway.ts'
import { base64url, publicJwk, publicPem, signText, testKey } from './sign.ts'

type Reason = Parameters<typeof refused>[0]

const good = (
  id: string,
  why: string,
  text: string,
  expected: Members = { jti: 'event-1' },
  more: Partial<Vector> = {},
): Vector => ({
  id: `event-${id}`,
  why,
  call: 'verifyEvent',
  token: text,
  expect: accepted(expected),
  ...more,
})

const bad = (id: string, why: string, text: string, reason: Reason, more: Partial<Vector> = {}): Vector => ({
  id: `event-${id}`,
  why,
  call: 'verifyEvent',
  token: text,
  expect: refused(reason),
  ...more,
})

const TYP = { typ: 'secevent+jwt' }
const H = JSON.stringify(header('es', TYP))
const P = JSON.stringify(eventClaims())
const ERASED = 'https://schemas.openid.net/secevent/risc/event-type/account-purged'
const opaque = { format: 'opaque', id: 'stream-1' }
const session = {
  format: 'complex',
  user: { format: 'iss_sub', iss: ISSUER, sub: 'user-1' },
  session: { format: 'opaque', id: 'session-1' },
}
const verification = { 'https://schemas.openid.net/secevent/ssf/event-type/verification': { state: 'x' } }

const accepting: Vector[] = [
  good('es256', 'a session has ended, signed with ES256', event(), eventClaims()),
  good('rs256', 'signed with RS256', event({}, {}, 'rs'), eventClaims()),
  good('eddsa', 'signed with EdDSA', event({}, {}, 'ed'), eventClaims()),
  ...['application/secevent+jwt', 'SecEvent+JWT'].map((typ) =>
    good(`typ-${typ}`, 'RFC 7515 section 4.1.9', event({}, { typ })),
  ),
  good('txn', 'with a transaction', event({ txn: 'request-9' }), { txn: 'request-9' }),
  good('toe', 'with the time of the event and claims that nobody knows', event({ toe: NOW - 5, x: { y: 1 } }), {
    toe: NOW - 5,
    x: { y: 1 },
  }),
  good('empty-event', 'an event without members', event({ events: { [ERASED]: {} } }), { events: { [ERASED]: {} } }),
  good(
    'two-events',
    'two events of one occurrence',
    event({ events: { [ERASED]: {}, [ENDED_EVENT]: { reason_admin: { zh: '退出' } } } }),
    { events: { [ERASED]: {}, [ENDED_EVENT]: { reason_admin: { zh: '退出' } } } },
  ),
  good('opaque-subject', 'another form of subject (RFC 9493)', event({ sub_id: opaque, events: verification }), {
    sub_id: opaque,
    events: verification,
  }),
  good(
    'session-subject',
    'about a session: the user beside the session (SSF 1.0 section 3.2), as the gateway tells of ended sessions',
    event({ sub_id: session }),
    { sub_id: session },
  ),
  good('one-of-its-audiences', 'for several receivers', event({ aud: ['https://billing.example.com', AUDIENCE] })),
  good(
    'own-audience',
    'the audience of a target',
    event({ aud: 'orders' }),
    { aud: 'orders' },
    { config: { audience: ['orders'] } },
  ),
  good('old', 'an event is not refused for its age: it may have waited in a queue', event({ iat: NOW - 30 * 86_400 })),
  good('future', 'issued by a clock that is ahead', event({ iat: NOW + 3600 })),
  good('nbf', 'valid from now on', event({ nbf: NOW })),
  good(
    'lists-away',
    'an event needs no status list',
    event(),
    { jti: 'event-1' },
    { config: { onStaleStatus: 'refuse', onMissingStatus: 'refuse' }, gateway: { [LIST]: { down: true } } },
  ),
  good(
    'session-claims',
    'an event that names a session in its payload',
    event({ events: { [ENDED_EVENT]: { sid: 'session-1' } } }),
    { events: { [ENDED_EVENT]: { sid: 'session-1' } } },
  ),
]

const refusing: Vector[] = [
  bad('empty', 'nothing', '', 'token_missing'),
  bad('access-token', 'an access token in the place of an event', token(), 'type_mismatch'),
  bad(
    'access-token-with-events',
    'an access token with all claims of an event',
    token({ ...eventClaims(), sub: undefined, exp: undefined }),
    'type_mismatch',
  ),
  bad('status-list', 'a status list in the place of an event', list(), 'type_mismatch'),
  bad(
    'status-list-with-events',
    'a status list with all claims of an event',
    list({ claims: eventClaims() }),
    'type_mismatch',
  ),
  ...['JWT', 'at+jwt', 'logout+jwt', 'secevent', 'secevent+jwt2', ''].map((typ) =>
    bad(`typ-${typ || 'empty'}`, 'of another kind', event({}, { typ }), 'type_mismatch'),
  ),
  bad(
    'typ-missing',
    'no typ: RFC 8417 section 2.3 leaves it to us, we ask for it',
    event({}, { typ: undefined }),
    'type_mismatch',
  ),
  bad(
    'alg-none',
    'unsigned',
    `${base64url(JSON.stringify({ ...TYP, alg: 'none' }))}.${base64url(P)}.`,
    'algorithm_refused',
  ),
  bad('alg-hs256', 'HMAC with the public key', hmac(), 'algorithm_refused'),
  bad(
    'alg-of-another-key',
    'an allowed algorithm with the key of another',
    event({}, { alg: 'RS256' }),
    'algorithm_refused',
  ),
  bad('alg-not-allowed', 'an algorithm that the service does not allow', event({}, {}, 'ed'), 'algorithm_refused', {
    config: { algorithms: ['ES256'] },
  }),
  bad('unknown-key', 'a kid that nobody published', event({}, {}, 'stranger-es'), 'key_unknown'),
  bad('no-kid', 'no kid', event({}, { kid: undefined }), 'key_unknown'),
  bad('forged', 'another key under our kid', event({}, { kid: testKey('es').kid }, 'stranger-es'), 'signature_invalid'),
  bad(
    'embedded-key',
    'brings its own key',
    event({}, { kid: testKey('es').kid, jwk: publicJwk('stranger-es') }, 'stranger-es'),
    'signature_invalid',
  ),
  bad(
    'changed',
    'changed after signing',
    event()
      .split('.')
      .with(1, base64url(P.replace('user-1', 'user-2')))
      .join('.'),
    'signature_invalid',
  ),
  bad('crit', 'crit', event({}, { crit: ['x'], x: 1 }), 'token_malformed'),
  bad('b64', 'b64 false', event({}, { b64: false }), 'token_malformed'),
  bad('padding', 'padding', `${event()}==`, 'token_malformed'),
  bad('newline', 'a line feed behind, as a file or a shell leaves it', `${event()}\n`, 'token_malformed'),
  bad('bearer', 'the scheme in front', `Bearer ${event()}`, 'token_malformed'),
  bad('too-long', 'longer than 16,384 characters', event({ x: 'a'.repeat(13_000) }), 'token_malformed'),
  bad('duplicate-events', 'events twice', signText('es', H, P.replace('{', '{"events":{},')), 'token_malformed'),
  bad(
    'duplicate-subject',
    'two subjects inside sub_id',
    signText('es', H, P.replace('"sub":"user-1"', '"sub":"user-2","sub":"user-1"')),
    'token_malformed',
  ),
  bad('iss-other', 'of another issuer', event({ iss: 'https://evil.example.com' }), 'issuer_mismatch'),
  bad('aud-other', 'for another receiver', event({ aud: 'https://other.example.com' }), 'audience_mismatch'),
  bad('aud-none', 'for nobody', event({ aud: [] }), 'audience_mismatch'),
  ...['iss', 'aud', 'iat', 'jti', 'sub_id', 'events'].map((claim) =>
    bad(`no-${claim}`, `no ${claim}`, event({ [claim]: undefined }), 'claim_missing'),
  ),
  bad('iat-text', 'iat is text', event({ iat: String(NOW) }), 'claim_invalid'),
  bad('iat-null', 'iat is null', event({ iat: null }), 'claim_invalid'),
  bad('jti-empty', 'an empty jti', event({ jti: '' }), 'claim_invalid'),
  bad('jti-number', 'jti is a number', event({ jti: 7 }), 'claim_invalid'),
  bad('txn-number', 'txn is a number', event({ txn: 7 }), 'claim_invalid'),
  bad('txn-null', 'txn is null', event({ txn: null }), 'claim_invalid'),
  bad('nbf-future', 'valid in a minute', event({ nbf: NOW + 60 }), 'token_not_yet_valid'),
  bad(
    'exp',
    'an event never carries exp: one that does could be meant to pass as a token',
    event({ exp: NOW + 900 }),
    'claim_invalid',
  ),
  bad('exp-past', 'an exp that is over', event({ exp: NOW - 900 }), 'token_expired'),
  bad('sub', 'an event never carries sub: its subject is sub_id', event({ sub: 'user-1' }), 'claim_invalid'),
  bad(
    'token-and-event',
    'all claims of a token and of an event',
    event({ ...claims(), ...eventClaims() }),
    'claim_invalid',
  ),
  bad('subject-text', 'sub_id is text', event({ sub_id: 'user-1' }), 'claim_invalid'),
  bad('subject-list', 'sub_id is a list', event({ sub_id: [{ format: 'opaque', id: 'x' }] }), 'claim_invalid'),
  bad('subject-null', 'sub_id is null', event({ sub_id: null }), 'claim_invalid'),
  bad('subject-no-format', 'sub_id without format', event({ sub_id: { iss: ISSUER, sub: 'user-1' } }), 'claim_invalid'),
  bad('subject-format-empty', 'an empty format', event({ sub_id: { format: '' } }), 'claim_invalid'),
  bad('subject-format-number', 'format is a number', event({ sub_id: { format: 1 } }), 'claim_invalid'),
  bad(
    'subject-no-iss',
    'iss_sub without iss',
    event({ sub_id: { format: 'iss_sub', sub: 'user-1' } }),
    'claim_invalid',
  ),
  bad('subject-no-sub', 'iss_sub without sub', event({ sub_id: { format: 'iss_sub', iss: ISSUER } }), 'claim_invalid'),
  bad(
    'subject-sub-empty',
    'iss_sub with an empty sub',
    event({ sub_id: { format: 'iss_sub', iss: ISSUER, sub: '' } }),
    'claim_invalid',
  ),
  bad(
    'subject-sub-number',
    'iss_sub with a number',
    event({ sub_id: { format: 'iss_sub', iss: ISSUER, sub: 1 } }),
    'claim_invalid',
  ),
  bad('events-none', 'no event in events', event({ events: {} }), 'claim_invalid'),
  bad('events-list', 'events are a list', event({ events: [ENDED_EVENT] }), 'claim_invalid'),
  bad('events-text', 'events are text', event({ events: ENDED_EVENT }), 'claim_invalid'),
  bad('events-null', 'events are null', event({ events: null }), 'claim_invalid'),
  bad('event-text', 'an event that is no object', event({ events: { [ENDED_EVENT]: 'yes' } }), 'claim_invalid'),
  bad('event-null', 'an event that is null', event({ events: { [ENDED_EVENT]: null } }), 'claim_invalid'),
  bad('event-list', 'an event that is a list', event({ events: { [ENDED_EVENT]: [] } }), 'claim_invalid'),
  bad(
    'one-bad-event',
    'one good event and one that is no object',
    event({ events: { [ENDED_EVENT]: {}, [ERASED]: 1 } }),
    'claim_invalid',
  ),
  bad('keys-away', 'no key can be fetched', event(), 'keys_unavailable', { gateway: { '*': { down: true } } }),
  bad('keys-of-another', 'the JWKS holds other keys', event(), 'key_unknown', {
    gateway: { [JWKS]: json({ keys: [publicJwk('stranger-es')] }) },
  }),
]

export const eventVectors: Vector[] = [...accepting, ...refusing]

function hmac(): string {
  const input = `${base64url(JSON.stringify(header('es', { ...TYP, alg: 'HS256' })))}.${base64url(P)}`
  return `${input}.${createHmac('sha256', publicPem('es')).update(input).digest('base64url')}`
}
