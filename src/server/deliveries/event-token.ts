/** An event as a security event token (RFC 8417), under the names of CAEP and RISC where they have one. */
import type { EventKind } from '../config/event-targets.ts'
import type { StoredEvent } from './store.ts'

const OWN = 'urn:miniprogram-auth-gateway:event'
const RISC = 'https://schemas.openid.net/secevent/risc/event-type'
const CAEP = 'https://schemas.openid.net/secevent/caep/event-type'

export const eventUris: Readonly<Record<EventKind, string>> = {
  'user.created': `${OWN}:user-created`,
  'user.updated': `${OWN}:user-updated`,
  // OpenID RISC Profile 1.0 sections 2.3, 2.4 and 2.2.
  'user.suspended': `${RISC}/account-disabled`,
  'user.reinstated': `${RISC}/account-enabled`,
  'user.erased': `${RISC}/account-purged`,
  // OpenID CAEP 1.0 section 3.1.
  'session.ended': `${CAEP}/session-revoked`,
}

export type TokenParts = {
  issuer: string
  audience: string
  /** When it is signed, in seconds: a new one for each attempt, under the key of that moment. */
  issuedAt: number
}

/** No `exp` and no `sub` (RFC 8417 section 2.2): nobody may take it for an access token. */
export function eventPayload(event: StoredEvent, { issuer, audience, issuedAt }: TokenParts): string {
  const at = Math.floor(event.at)
  return JSON.stringify({
    iss: issuer,
    aud: audience,
    iat: issuedAt,
    jti: event.id,
    txn: event.txn,
    toe: at,
    sub_id: subjectOf(event, issuer),
    events: { [eventUris[event.kind]]: membersOf(event, at) },
  })
}

/**
 * RFC 9493 section 3.2.6. A session is a complex subject (SSF 1.0 section 3.2): with the user alone, CAEP means all of their sessions.
 */
function subjectOf({ userId, sessionId }: StoredEvent, issuer: string) {
  const user = { format: 'iss_sub', iss: issuer, sub: userId }
  return sessionId === null ? user : { format: 'complex', user, session: { format: 'opaque', id: sessionId } }
}

/** CAEP 1.0 section 2: who began it. */
const initiators: Readonly<Record<string, string>> = {
  logout: 'user',
  ended_by_user: 'user',
  erased: 'user',
  suspended: 'admin',
  ended_by_operator: 'admin',
  revoked: 'admin',
}

function membersOf({ kind, sessionId, userId, detail }: StoredEvent, at: number): Record<string, unknown> {
  if (kind !== 'session.ended') return detail
  const { reason = 'unknown' } = detail
  return {
    event_timestamp: at,
    initiating_entity: initiators[reason] ?? 'policy',
    reason,
    sid: sessionId,
    user_id: userId,
  }
}
