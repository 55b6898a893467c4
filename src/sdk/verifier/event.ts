/** The claims of a security event token (RFC 8417), and the proof that a token has them. */

import { type Claims, isRecord } from './form.ts'
import { invalidClaim, type TokenKind } from './signed.ts'

/** What the gateway tells a service, checked: types and presence are as stated. An event may come twice; `jti` tells. */
export type SecurityEvent = {
  iss: string
  aud: string | string[]
  iat: number
  jti: string
  /** What several events of one request have in common. */
  txn?: string
  /** Whom it is about (RFC 9493): a user of the gateway is `{ format: 'iss_sub', iss, sub }`. */
  sub_id: { format: string; iss?: string; sub?: string; [member: string]: unknown }
  /** What happened, by the event's URI. */
  events: Record<string, Record<string, unknown>>
}

export const SECURITY_EVENT: TokenKind = {
  name: 'a security event token',
  types: ['secevent+jwt'],
  requiredClaims: ['iss', 'aud', 'iat', 'jti', 'sub_id', 'events'],
}

export function securityEvent(payload: Claims): SecurityEvent {
  const { jti, txn, sub_id, events } = payload
  // RFC 8417 section 2.2 advises against both: they make an event look like a token that lets somebody in.
  for (const name of ['exp', 'sub']) if (payload[name] !== undefined) throw invalidClaim(name)
  if (!isText(jti)) throw invalidClaim('jti')
  if (txn !== undefined && typeof txn !== 'string') throw invalidClaim('txn')
  if (!isSubject(sub_id)) throw invalidClaim('sub_id')
  const isEvents = isRecord(events) && Object.keys(events).length > 0 && Object.values(events).every(isRecord)
  if (!isEvents) throw invalidClaim('events')
  return payload as unknown as SecurityEvent
}

function isSubject(subject: unknown): boolean {
  if (!isRecord(subject) || !isText(subject.format)) return false
  return subject.format !== 'iss_sub' || (isText(subject.iss) && isText(subject.sub))
}

const isText = (value: unknown): boolean => typeof value === 'string' && value !== ''
