/** The claims of an access token (RFC 9068), and the proof that a token has them. */

import { type Claims, isRecord } from './form.ts'
import { invalidClaim, missingClaim, type TokenKind } from './signed.ts'

/** The claims of an access token (RFC 9068), checked: types and presence are as stated. */
export type AccessTokenClaims = {
  iss: string
  /** The user's id. */
  sub: string
  aud: string | string[]
  /** The mini program's appid. */
  client_id: string
  iat: number
  exp: number
  jti: string
  /** The session's id. */
  sid: string
  roles?: string[]
  status?: { status_list: { idx: number; uri: string } }
  openid?: string
  unionid?: string
  platform?: string
}

export const ACCESS_TOKEN: TokenKind = {
  name: 'an access token',
  types: ['jwt', 'at+jwt'],
  requiredClaims: ['iss', 'aud', 'exp'],
}

const REQUIRED_TEXTS = ['sub', 'sid', 'client_id', 'jti'] as const
const OPTIONAL_TEXTS = ['openid', 'unionid', 'platform'] as const

/** The shape of a token whose signature holds; `iss`, `aud` and `exp` have been checked by then. */
export function accessTokenClaims(payload: Claims): AccessTokenClaims {
  for (const name of REQUIRED_TEXTS) {
    if (payload[name] === undefined) throw missingClaim(name)
    if (typeof payload[name] !== 'string' || payload[name] === '') throw invalidClaim(name)
  }
  for (const name of OPTIONAL_TEXTS) {
    if (payload[name] !== undefined && typeof payload[name] !== 'string') throw invalidClaim(name)
  }
  if (payload.iat === undefined) throw missingClaim('iat')
  const { roles, status } = payload
  if (roles !== undefined && !(Array.isArray(roles) && roles.every((role) => typeof role === 'string'))) {
    throw invalidClaim('roles')
  }
  if (status !== undefined && !isStatusReference(status)) throw invalidClaim('status')
  return payload as unknown as AccessTokenClaims
}

function isStatusReference(status: unknown): boolean {
  const reference = isRecord(status) ? status.status_list : undefined
  if (!isRecord(reference)) return false
  return typeof reference.uri === 'string' && Number.isSafeInteger(reference.idx) && Number(reference.idx) >= 0
}
