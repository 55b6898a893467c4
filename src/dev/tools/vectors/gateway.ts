/** The gateway of the vectors: what it signs and publishes, each part changeable, so that a vector states only its difference. */

import { deflate } from 'pako'
import type { Config, Expect, Gateway, Reply } from './format.ts'
import { type KeyName, publicJwk, signText, testKey } from './sign.ts'

export const NOW = 1_767_225_600
export const ISSUER = 'https://auth.example.com'
export const AUDIENCE = 'https://orders.example.com'
export const CLIENT = 'wx0000000000000001'
export const CONFIGURATION = '/.well-known/openid-configuration'
export const JWKS = '/.well-known/jwks.json'
export const LIST = '/status-lists/1'
export const LIST_URI = ISSUER + LIST
/** The session that has ended in the list as it is published. */
export const ENDED = 7

export type Members = Record<string, unknown>

export const CONFIG: Config = { issuer: ISSUER, audience: [AUDIENCE] }

export const claims = (changed: Members = {}): Members => ({
  iss: ISSUER,
  sub: 'user-1',
  aud: AUDIENCE,
  client_id: CLIENT,
  iat: NOW,
  exp: NOW + 900,
  jti: 'token-1',
  sid: 'session-1',
  status: { status_list: { idx: 0, uri: LIST_URI } },
  ...changed,
})

export const header = (key: KeyName, changed: Members = {}): Members => {
  const { alg, kid } = testKey(key)
  return { alg, kid, typ: 'JWT', ...changed }
}

/** An access token; a member that is `undefined` is left out. */
export function token(changed: Members = {}, changedHeader: Members = {}, key: KeyName = 'es'): string {
  return signText(key, JSON.stringify(header(key, changedHeader)), JSON.stringify(claims(changed)))
}

export const tokenFor = (idx: unknown, uri: unknown = LIST_URI, changed: Members = {}): string =>
  token({ sid: `session-${idx}`, ...changed, status: { status_list: { idx, uri } } })

/** A security event token (RFC 8417) as the gateway delivers it. */
export function event(changed: Members = {}, changedHeader: Members = {}, key: KeyName = 'es'): string {
  return signText(
    key,
    JSON.stringify(header(key, { typ: 'secevent+jwt', ...changedHeader })),
    JSON.stringify(eventClaims(changed)),
  )
}

export const ENDED_EVENT = 'https://schemas.openid.net/secevent/caep/event-type/session-revoked'

export const eventClaims = (changed: Members = {}): Members => ({
  iss: ISSUER,
  aud: AUDIENCE,
  iat: NOW,
  jti: 'event-1',
  sub_id: { format: 'iss_sub', iss: ISSUER, sub: 'user-1' },
  events: { [ENDED_EVENT]: { event_timestamp: NOW } },
  ...changed,
})

/** One bit a session, least significant first (draft-ietf-oauth-status-list section 4.1). */
export function bits(ended: readonly number[], size = 1024): Uint8Array {
  const bytes = new Uint8Array(size / 8)
  for (const index of ended) bytes[index >> 3] = (bytes[index >> 3] ?? 0) | (1 << (index & 7))
  return bytes
}

export const compressed = (bytes: Uint8Array): string => Buffer.from(deflate(bytes, { level: 9 })).toString('base64url')

export type ListChanges = {
  ended?: readonly number[]
  size?: number
  bits?: unknown
  lst?: unknown
  /** Seconds after NOW at which the list was signed. */
  at?: number
  claims?: Members
  header?: Members
  key?: KeyName
}

export const listClaims = (changes: ListChanges = {}): Members => {
  const { ended = [ENDED], size = 1024, at = 0 } = changes
  return {
    iss: ISSUER,
    sub: LIST_URI,
    iat: NOW + at,
    exp: NOW + at + 600,
    ttl: 30,
    status_list: { bits: changes.bits ?? 1, lst: changes.lst ?? compressed(bits(ended, size)) },
    ...changes.claims,
  }
}

export function list(changes: ListChanges = {}): string {
  const { key = 'es' } = changes
  const protectedHeader = header(key, { typ: 'statuslist+jwt', ...changes.header })
  return signText(key, JSON.stringify(protectedHeader), JSON.stringify(listClaims(changes)))
}

export const listReply = (jwt: string, headers: Record<string, string> = {}): Reply => ({
  headers: { 'content-type': 'application/statuslist+jwt', ...headers },
  body: jwt,
})

export const json = (value: unknown, headers: Record<string, string> = {}): Reply => ({
  headers: { 'content-type': 'application/json', ...headers },
  body: JSON.stringify(value),
})

export const metadata = (changed: Members = {}, issuer = ISSUER): Reply =>
  json({
    issuer,
    jwks_uri: issuer + JWKS,
    id_token_signing_alg_values_supported: ['ES256'],
    response_types_supported: ['none'],
    subject_types_supported: ['public'],
    status_list_aggregation_endpoint: `${issuer}/status-lists`,
    ...changed,
  })

export const jwks = (...names: KeyName[]): Reply =>
  json({ keys: names.map(publicJwk) }, { 'cache-control': 'public, max-age=300' })

export const GATEWAY: Gateway = {
  [CONFIGURATION]: metadata(),
  [JWKS]: jwks('es', 'rs', 'ed'),
  '/status-lists': json({ status_lists: [LIST_URI] }),
  [LIST]: listReply(list()),
}

export const accepted = (expected: Members = { sub: 'user-1' }): Expect => ({ ok: true, claims: expected })
export const refused = (reason: Extract<Expect, { ok: false }>['reason']): Expect => ({ ok: false, reason })
