/** Status lists that must not be believed (draft-ietf-oauth-status-list section 8.3), though they say that the session lives. */

import type { Vector } from './format.ts'
import {
  compressed,
  event,
  header,
  ISSUER,
  LIST,
  LIST_URI,
  list,
  listClaims,
  listReply,
  NOW,
  refused,
  token,
} from './gateway.ts'
import { base64url, signText, testKey } from './sign.ts'

const REFUSE = { onStaleStatus: 'refuse' } as const

/** A list that must not be believed, though it says that the session lives. */
const disbelieved = (id: string, why: string, jwt: string): Vector => ({
  id: `list-not-believed-${id}`,
  why,
  call: 'verify',
  config: REFUSE,
  gateway: { [LIST]: listReply(jwt) },
  token: token(),
  expect: refused('status_unavailable'),
})

export const unbelieved: Vector[] = [
  disbelieved(
    'another-uri',
    'the list of another uri, swapped in',
    list({ claims: { sub: `${ISSUER}/status-lists/2` } }),
  ),
  disbelieved('no-uri', 'a list without sub', list({ claims: { sub: undefined } })),
  disbelieved('uri-slash', 'the sub has one slash more', list({ claims: { sub: `${LIST_URI}/` } })),
  disbelieved('uri-list', 'sub is a list', list({ claims: { sub: [LIST_URI] } })),
  disbelieved(
    'another-issuer',
    'a list that names another issuer',
    list({ claims: { iss: 'https://evil.example.com' } }),
  ),
  ...['JWT', 'at+jwt', 'statuslist+cwt', 'secevent+jwt', ''].map((typ) =>
    disbelieved(`typ-${typ || 'empty'}`, 'of another kind', list({ header: { typ } })),
  ),
  disbelieved('typ-missing', 'no typ', list({ header: { typ: undefined } })),
  disbelieved('stranger', 'signed by another', list({ key: 'stranger-es' })),
  disbelieved(
    'forged',
    'signed by another under our kid',
    list({ key: 'stranger-es', header: { kid: testKey('es').kid } }),
  ),
  disbelieved(
    'unsigned',
    'unsigned',
    `${base64url(JSON.stringify(header('es', { alg: 'none', typ: 'statuslist+jwt' })))}.${base64url(JSON.stringify(listClaims()))}.`,
  ),
  disbelieved('alg', 'an algorithm that is not its key’s', list({ header: { alg: 'RS256' } })),
  disbelieved('no-kid', 'no kid', list({ header: { kid: undefined } })),
  disbelieved('crit', 'crit', list({ header: { crit: ['x'], x: 1 } })),
  disbelieved('expired', 'expired', list({ claims: { exp: NOW - 5 } })),
  disbelieved('not-yet', 'not valid yet', list({ claims: { nbf: NOW + 60 } })),
  disbelieved('exp-text', 'exp is text', list({ claims: { exp: String(NOW + 600) } })),
  disbelieved('no-iat', 'no iat', list({ claims: { iat: undefined } })),
  disbelieved('iat-text', 'iat is text', list({ claims: { iat: String(NOW) } })),
  disbelieved('no-status-list', 'no status_list', list({ claims: { status_list: undefined } })),
  disbelieved('status-list-text', 'status_list is text', list({ claims: { status_list: 'eNrbuRgAAhcBXQ' } })),
  disbelieved('no-lst', 'no lst', list({ claims: { status_list: { bits: 1 } } })),
  disbelieved('lst-number', 'lst is a number', list({ lst: 7 })),
  ...[0, 3, 16, -1, '1', null].map((bits) =>
    disbelieved(
      `bits-${JSON.stringify(bits)}`,
      'bits may be 1, 2, 4 or 8',
      list({ claims: { status_list: { bits, lst: 'eNrbuRgAAhcBXQ' } } }),
    ),
  ),
  disbelieved('not-zlib', 'lst is no zlib', list({ lst: 'AAAA' })),
  disbelieved(
    'raw-deflate',
    'lst is deflate without the zlib frame',
    list({ lst: base64url(Buffer.from('eNrbuRgAAhcBXQ', 'base64url').subarray(2, -4)) }),
  ),
  disbelieved(
    'cut-zlib',
    'lst ends early',
    list({ lst: base64url(Buffer.from('eNrbuRgAAhcBXQ', 'base64url').subarray(0, -5)) }),
  ),
  disbelieved('checksum', 'lst with a wrong checksum', list({ lst: 'eNrbuRgAAhcBXg' })),
  disbelieved('lst-empty', 'lst is empty', list({ lst: '' })),
  disbelieved('lst-padding', 'lst with padding', list({ lst: 'eNrbuRgAAhcBXQ==' })),
  disbelieved('lst-no-base64', 'lst is no base64url', list({ lst: 'eNrb uRgA+/*' })),
  disbelieved(
    'bomb',
    'a small list that inflates to more than 8 MiB',
    list({ lst: compressed(new Uint8Array(8 * 1024 * 1024 + 1)) }),
  ),
  disbelieved(
    'access-token',
    'an access token in the place of a list',
    token({ sub: LIST_URI, status_list: { bits: 1, lst: 'eNrbuRgAAhcBXQ' } }),
  ),
  disbelieved(
    'event',
    'an event in the place of a list',
    event({ sub: LIST_URI, status_list: { bits: 1, lst: 'eNrbuRgAAhcBXQ' } }),
  ),
  disbelieved('nothing', 'nothing', ''),
  disbelieved('html', 'an error page', '<html></html>'),
  disbelieved('json', 'the claims without a signature', JSON.stringify(listClaims())),
  disbelieved(
    'duplicate',
    'two status_list members',
    signText(
      'es',
      JSON.stringify(header('es', { typ: 'statuslist+jwt' })),
      JSON.stringify(listClaims()).replace('{', '{"status_list":{},'),
    ),
  ),
]
