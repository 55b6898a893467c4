/** Tokens that every verifier accepts, by algorithm, header, audience and claims. */

import type { Vector } from './format.ts'
import {
  AUDIENCE,
  accepted,
  CLIENT,
  claims,
  header,
  ISSUER,
  JWKS,
  jwks,
  LIST_URI,
  type Members,
  metadata,
  NOW,
  token,
  tokenFor,
} from './gateway.ts'
import { signText } from './sign.ts'

const good = (id: string, why: string, text: string, more: Partial<Vector> = {}): Vector => ({
  id: `good-${id}`,
  why,
  call: 'verify',
  token: text,
  expect: accepted(),
  ...more,
})

const SECOND = 'https://billing.example.com'
const TENANT = 'https://auth.example.com/tenant'
const atTenant = { iss: TENANT, status: { status_list: { idx: 0, uri: `${TENANT}/status-lists/1` } } }

export const goodVectors: Vector[] = [
  good('es256', 'signed with ES256; every claim comes back', token(), { expect: accepted(claims()) }),
  good('rs256', 'signed with RS256', token({}, {}, 'rs'), { expect: accepted(claims()) }),
  good('eddsa', 'signed with EdDSA', token({}, {}, 'ed'), { expect: accepted(claims()) }),
  ...['jwt', 'at+jwt', 'AT+JWT', 'application/at+jwt', 'Application/JWT'].map((typ) =>
    good(`typ-${typ}`, 'RFC 7515 section 4.1.9: application/ may be left out, case does not count', token({}, { typ })),
  ),
  good(
    'one-of-its-audiences',
    'the token names several audiences, one of them ours',
    token({ aud: [SECOND, AUDIENCE] }),
  ),
  good('audience-in-a-list-of-one', 'a list of one is a list', token({ aud: [AUDIENCE] })),
  good('one-of-our-audiences', 'the service answers to several audiences', token({ aud: SECOND }), {
    config: { audience: [AUDIENCE, SECOND] },
  }),
  good(
    'several-of-both',
    'several on both sides, one in common',
    token({ aud: ['https://other.example.com', SECOND] }),
    {
      config: { audience: [AUDIENCE, SECOND] },
    },
  ),
  good('audience-no-url', 'an audience is any text', token({ aud: 'orders' }), { config: { audience: ['orders'] } }),
  good('roles', 'roles', token({ roles: ['admin', 'support'] }), { expect: accepted({ roles: ['admin', 'support'] }) }),
  good('no-roles', 'an empty list of roles', token({ roles: [] }), { expect: accepted({ roles: [] }) }),
  good('platform-claims', 'the claims that ACCESS_TOKEN_CLAIMS switches on', token(platformClaims()), {
    expect: accepted(platformClaims()),
  }),
  good(
    'external-id',
    'external_id and the user’s own claims',
    token({ external_id: 'u-42', ext: { tier: 2, tags: ['a'] } }),
    {
      expect: accepted({ external_id: 'u-42', ext: { tier: 2, tags: ['a'] } }),
    },
  ),
  good('no-status', 'a token without status is accepted by default', token({ status: undefined })),
  good('another-index', 'the neighbour of an ended session', tokenFor(8)),
  good('last-index', 'the last index of the list', tokenFor(1023), { config: { onStaleStatus: 'refuse' } }),
  good('fresh-list-required', 'a service that fails closed, and a fresh list', token(), {
    config: { onStaleStatus: 'refuse', onMissingStatus: 'refuse' },
  }),
  good('issuer-with-a-path', 'the issuer has a path', token(atTenant), {
    config: { issuer: TENANT },
    gateway: {
      '/tenant/.well-known/openid-configuration': metadata({}, TENANT),
      '/tenant/.well-known/jwks.json': jwks('es'),
    },
  }),
  good(
    'issuer-with-a-slash',
    'the issuer ends in a slash; iss is compared letter for letter',
    token({ iss: `${ISSUER}/` }),
    {
      config: { issuer: `${ISSUER}/` },
      gateway: { '/.well-known/openid-configuration': metadata({ issuer: `${ISSUER}/` }) },
    },
  ),
  good('one-algorithm', 'the service allows the one algorithm that the key has', token({}, {}, 'rs'), {
    config: { algorithms: ['RS256'] },
  }),
  good('next-key', 'a second key of the same algorithm', token({}, {}, 'es-next'), {
    gateway: { [JWKS]: jwks('es', 'es-next') },
  }),
  good('jwk-with-key-ops', 'a JWK with members that do not matter', token(), {
    gateway: { [JWKS]: jwksWith({ key_ops: ['verify'], ext: true, note: 'x' }) },
  }),
  good('jwk-without-use', 'a JWK without use', token(), { gateway: { [JWKS]: jwksWith({ use: undefined }) } }),
  good(
    'header-order',
    'the order of header members does not matter',
    signText(
      'es',
      JSON.stringify(Object.fromEntries(Object.entries(header('es')).reverse())),
      JSON.stringify(claims()),
    ),
  ),
  good('exp-just-now', 'expired for 4 s, within the tolerance of 5', token({ exp: NOW - 4 })),
  good('nbf-now', 'valid from now on', token({ nbf: NOW })),
  good('nbf-within-tolerance', 'valid in 5 s, within the tolerance', token({ nbf: NOW + 5 })),
  good('tolerance-configured', 'expired for a minute, with a tolerance of 61 s', token({ exp: NOW - 60 }), {
    config: { clockToleranceSeconds: 61 },
  }),
  good('no-tolerance', 'one second left, no tolerance', token({ exp: NOW + 1 }), {
    config: { clockToleranceSeconds: 0 },
  }),
  good(
    'list-of-any-key',
    'a token of one algorithm, a list of another',
    token({ status: { status_list: { idx: 0, uri: LIST_URI } } }, {}, 'ed'),
    {
      config: { onStaleStatus: 'refuse' },
    },
  ),
  good('client', 'client_id comes back', token(), { expect: accepted({ client_id: CLIENT, sid: 'session-1' }) }),
]

function platformClaims(): Members {
  return { platform: 'wechat', openid: 'oAbc-123_xyz', unionid: 'uAbc' }
}

function jwksWith(changed: Members): { headers: Record<string, string>; body: string } {
  const { body } = jwks('es') as { body: string }
  const { keys } = JSON.parse(body) as { keys: Members[] }
  return { headers: {}, body: JSON.stringify({ keys: keys.map((key) => ({ ...key, ...changed })) }) }
}
