/** Status lists: what each bit means, and which lists are not believed (draft-ietf-oauth-status-list section 8.3). */

import type { Gateway, Vector } from './format.ts'
import {
  accepted,
  CLIENT,
  claims,
  compressed,
  ENDED,
  ISSUER,
  LIST,
  LIST_URI,
  type ListChanges,
  list,
  listReply,
  NOW,
  refused,
  token,
  tokenFor,
} from './gateway.ts'
import { unbelieved } from './lists-unbelieved.ts'
import { publicJwk } from './sign.ts'

const REFUSE = { onStaleStatus: 'refuse' } as const
const served = (jwt: string): Gateway => ({ [LIST]: listReply(jwt) })

/** The session at `idx` in a list that is as stated; a service that fails closed, so that a list not believed shows. */
const reading = (id: string, why: string, changes: ListChanges, idx: number, ended: boolean): Vector => ({
  id: `list-${id}`,
  why,
  call: 'verify',
  config: REFUSE,
  gateway: served(list(changes)),
  token: tokenFor(idx),
  expect: ended ? refused('session_ended') : accepted(),
})

/** draft section 4.2: B9 A3. */
const DRAFT = [1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1]
/** draft section 4.2: two bits, C9 44 F9. */
const DRAFT_TWO = [1, 2, 0, 3, 0, 1, 0, 1, 1, 2, 3, 3]

const readings: Vector[] = [
  ...DRAFT.map((status, idx) =>
    reading(`draft-${idx}`, 'the one-bit example of the draft', { lst: 'eNrbuRgAAhcBXQ' }, idx, status !== 0),
  ),
  ...DRAFT_TWO.map((status, idx) =>
    reading(
      `draft-two-${idx}`,
      'the two-bit example of the draft: every status but 0 means that the session does not live',
      { bits: 2, lst: compressed(Uint8Array.of(0xc9, 0x44, 0xf9)) },
      idx,
      status !== 0,
    ),
  ),
  reading(
    'four-bits-live',
    'four bits: 0 in the low half',
    { bits: 4, lst: compressed(Uint8Array.of(0xc0)) },
    0,
    false,
  ),
  reading(
    'four-bits-ended',
    'four bits: 0xC in the high half',
    { bits: 4, lst: compressed(Uint8Array.of(0xc0)) },
    1,
    true,
  ),
  reading('eight-bits-live', 'eight bits', { bits: 8, lst: compressed(Uint8Array.of(1, 0, 255)) }, 1, false),
  reading(
    'eight-bits-ended',
    'eight bits, any value but 0',
    { bits: 8, lst: compressed(Uint8Array.of(1, 0, 255)) },
    2,
    true,
  ),
  reading('all-ended', 'all have ended', { lst: compressed(new Uint8Array(8).fill(255)) }, 63, true),
  reading('no-exp', 'a list without exp', { claims: { exp: undefined } }, 0, false),
  reading('no-ttl', 'a list without ttl', { claims: { ttl: undefined } }, 0, false),
  reading('odd-ttl', 'a ttl that is no number is as none', { claims: { ttl: 'soon' } }, 0, false),
  reading('no-iss', 'the draft asks for no iss', { claims: { iss: undefined } }, 0, false),
  reading(
    'aggregation',
    'a list that names its aggregation',
    { claims: { aggregation_uri: `${ISSUER}/status-lists` } },
    0,
    false,
  ),
  reading('rs256', 'a list signed with another of the keys', { key: 'rs' }, ENDED, true),
  reading('eddsa', 'a list signed with another of the keys', { key: 'ed' }, 0, false),
  reading('typ-application', 'RFC 7515 section 4.1.9', { header: { typ: 'application/statuslist+jwt' } }, ENDED, true),
  reading('typ-case', 'RFC 7515 section 4.1.9', { header: { typ: 'StatusList+JWT' } }, ENDED, true),
  reading(
    'expired-within-tolerance',
    'a list that expired 4 s ago, within the tolerance',
    { claims: { exp: NOW - 4 } },
    0,
    false,
  ),
  reading('nbf', 'a list that is valid from now on', { claims: { nbf: NOW } }, 0, false),
  reading('million', 'a list of a million sessions', { ended: [999_999], size: 1_000_000 }, 999_999, true),
  reading('million-live', 'a list of a million sessions', { ended: [999_999], size: 1_000_000 }, 999_998, false),
]

const unavailable = (id: string, why: string, gateway: Vector['gateway']): Vector[] => [
  {
    id: `list-${id}-allow`,
    why: `${why}: a service that fails open accepts`,
    call: 'verify',
    gateway: gateway ?? {},
    token: token(),
    expect: accepted(),
  },
  {
    id: `list-${id}-refuse`,
    why: `${why}: a service that fails closed refuses`,
    call: 'verify',
    config: REFUSE,
    gateway: gateway ?? {},
    token: token(),
    expect: refused('status_unavailable'),
  },
]

const beyond = (id: string, why: string, idx: unknown): Vector[] => [
  { id: `list-${id}-allow`, why, call: 'verify', token: tokenFor(idx), expect: accepted() },
  {
    id: `list-${id}-refuse`,
    why: `${why}: draft section 8.3, its status is unknown`,
    call: 'verify',
    config: REFUSE,
    token: tokenFor(idx),
    expect: refused('status_unavailable'),
  },
]

const reference = (id: string, why: string, status: unknown, config: Vector['config'] = {}): Vector => ({
  id: `list-reference-${id}`,
  why,
  call: 'verify',
  config,
  token: token({ status }),
  expect: refused('claim_invalid'),
})

const TENANT = 'https://auth.example.com/tenant'
const outside = (id: string, uri: string): Vector =>
  reference(`outside-${id}`, 'a list that is not under the issuer is never fetched (SSRF)', {
    status_list: { idx: 0, uri },
  })

const references: Vector[] = [
  reference('empty', 'a status without a list', {}),
  reference('text', 'status is text', 'live'),
  reference('null', 'status is null', null),
  reference('list-null', 'status_list is null', { status_list: null }),
  reference('list-array', 'status_list is a list', { status_list: [0, LIST_URI] }),
  reference('no-index', 'no idx', { status_list: { uri: LIST_URI } }),
  reference('no-uri', 'no uri', { status_list: { idx: 0 } }),
  reference('uri-number', 'uri is a number', { status_list: { idx: 0, uri: 1 } }),
  reference('negative', 'a negative index', { status_list: { idx: -1, uri: LIST_URI } }),
  reference('fraction', 'an index with a fraction', { status_list: { idx: 0.5, uri: LIST_URI } }),
  reference('index-text', 'an index that is text', { status_list: { idx: '0', uri: LIST_URI } }),
  reference('index-true', 'an index that is true', { status_list: { idx: true, uri: LIST_URI } }),
  reference('index-too-large', 'an index beyond 2^53 - 1', { status_list: { idx: 2 ** 53, uri: LIST_URI } }),
  reference('index-huge', 'an index of 1e300', { status_list: { idx: 1e300, uri: LIST_URI } }),
  outside('host', 'https://evil.example.com/status-lists/1'),
  outside('host-prefix', 'https://auth.example.com.evil.example/status-lists/1'),
  outside('user-info', 'https://auth.example.com@evil.example/status-lists/1'),
  outside('scheme', 'http://auth.example.com/status-lists/1'),
  outside('port', 'https://auth.example.com:8443/status-lists/1'),
  outside('metadata', 'http://169.254.169.254/latest/meta-data'),
  outside('file', 'file:///etc/passwd'),
  outside('relative', '/status-lists/1'),
  outside('no-url', 'not a url'),
  outside('empty', ''),
  ...['..', '%2e%2e', '.%2E'].map((dots) => ({
    ...outside(`dots-${dots}`, `${TENANT}/${dots}/other/status-lists/1`),
    config: { issuer: TENANT },
    gateway: tenantGateway(),
    token: token({ iss: TENANT, status: { status_list: { idx: 0, uri: `${TENANT}/${dots}/other/status-lists/1` } } }),
  })),
]

export const listVectors: Vector[] = [
  ...readings,
  ...unbelieved,
  ...unavailable('missing', 'the gateway knows no such list', { [LIST]: null }),
  ...unavailable('error', 'the gateway answers 503', { [LIST]: { status: 503 } }),
  ...unavailable('down', 'the list cannot be fetched', { [LIST]: { down: true } }),
  ...unavailable('redirect', 'a redirect is not followed', {
    [LIST]: { status: 302, headers: { location: `${ISSUER}/status-lists/2` } },
    '/status-lists/2': listReply(list()),
  }),
  ...unavailable('no-content', 'the gateway answers 204', { [LIST]: { status: 204 } }),
  ...unavailable('uninvited-304', 'the gateway answers 304 to who has nothing', { [LIST]: { status: 304 } }),
  ...beyond('index-beyond', 'an index past the end of the list', 1024),
  ...beyond('index-far-beyond', 'an index of 2^40, which must not wrap', 2 ** 40),
  ...beyond('index-wraps', 'an index of 2^32 + 7, which must not be taken for 7', 2 ** 32 + ENDED),
  ...beyond('index-largest', 'the largest index there is', 2 ** 53 - 1),
  ...references,
  {
    id: 'list-ended-though-expired-token',
    why: 'the other claims of a token are checked before its session',
    call: 'verify',
    token: tokenFor(ENDED, LIST_URI, { aud: 'x' }),
    expect: refused('audience_mismatch'),
  },
  {
    id: 'list-second',
    why: 'a second list that the aggregation does not name',
    call: 'verify',
    config: REFUSE,
    gateway: { '/status-lists/2': listReply(list({ ended: [3], claims: { sub: `${ISSUER}/status-lists/2` } })) },
    token: tokenFor(3, `${ISSUER}/status-lists/2`),
    expect: refused('session_ended'),
  },
  {
    id: 'list-client',
    why: 'a good token beside an ended one',
    call: 'verify',
    config: REFUSE,
    token: token(),
    expect: accepted({ client_id: CLIENT, ...claims() }),
  },
]

function tenantGateway(): Gateway {
  return {
    '/tenant/.well-known/openid-configuration': {
      body: JSON.stringify({ issuer: TENANT, jwks_uri: `${TENANT}/.well-known/jwks.json` }),
    },
    '/tenant/.well-known/jwks.json': { body: JSON.stringify({ keys: [publicJwk('es')] }) },
    '/other/status-lists/1': listReply(list()),
  }
}
