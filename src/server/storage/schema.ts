/** The tables as Kysely sees them; migrations/ is what makes them. */
import type { ColumnType, Generated } from 'kysely'

export type UserStatus = 'active' | 'suspended' | 'erased'
export type Sex = 'male' | 'female'

export type UsersTable = {
  id: string
  status: Generated<UserStatus>
  nickname: string | null
  avatar: string | null
  email: string | null
  /** E.164. */
  phone: string | null
  exclusive_phone: string | null
  /** ISO date. */
  birthday: string | null
  sex: Sex | null
  address: string | null
  signature: string | null
  chosen_fields: Generated<string[]>
  roles: Generated<string[]>
  /** Claims of the user's own, under `ext` in tokens. */
  claims: ColumnType<Record<string, unknown> | null, string | null | undefined, string | null>
  external_id: string | null
  version: Generated<number>
  first_session_id: string
  created_at: Date
  updated_at: Date
  last_login_at: Date
  suspended_at: Date | null
  suspend_reason: string | null
  suspended_by: string | null
  erased_at: Date | null
  /** Of an erased user: until when addresses stay in the audit trail. */
  addresses_until: Date | null
}

export type PlatformIdentitiesTable = {
  platform: string
  appid: string
  openid: string
  user_id: string
  unionid: string | null
  union_name: string | null
  created_at: Date
}

export type UnionMembersTable = { union_name: string; unionid: string; user_id: string }

export type SessionEndReason =
  | 'logout'
  | 'ended_by_user'
  | 'replayed'
  | 'limit'
  | 'suspended'
  | 'erased'
  | 'ended_by_operator'
  | 'revoked'
  | 'parent_ended'

export type SessionsTable = {
  id: string
  user_id: string
  platform: string
  appid: string
  openid: string
  unionid: string | null
  device: string | null
  ip: string | null
  status_index: Generated<number>
  refresh_counter: Generated<number>
  created_at: Date
  refreshed_at: Date
  last_used_at: Date
  idle_expires_at: Date
  expires_at: Date
  ended_at: Date | null
  /** The transaction that ended it, as text; null where an older version or a hand did. */
  ended_xid: string | null
  end_reason: SessionEndReason | null
  /** The session that this one was opened from, and ends with. */
  parent_id: string | null
}

export type SigningKeysTable = {
  kid: string
  generation: number
  alg: string
  public_jwk: ColumnType<Record<string, unknown>, string, string>
  sealed_private_jwk: string
  published_at: Date
  activates_at: Date
  retired_at: Date | null
}

export type AuditEventsTable = {
  id: Generated<number>
  at: Date
  kind: string
  user_id: string | null
  session_id: string | null
  appid: string | null
  ip: string | null
  actor: string | null
  request_id: string | null
  detail: ColumnType<Record<string, unknown> | null, string | null, never>
}

export type PlatformEventsTable = {
  id: Generated<number>
  /** SHA-256 of the event. */
  digest: string
  platform: string
  appid: string
  kind: 'user' | 'other'
  /** As the platform calls it, such as `user_authorization_revoke`. */
  name: string | null
  format: 'json' | 'xml' | 'text'
  /** As the platform sent it; null once it is done with. */
  message: string | null
  /** `push`, or the service that handed it in. */
  source: string
  received_at: Generated<Date>
  attempts: Generated<number>
  /** When it may be taken up; null once it is done or given up. */
  due_at: ColumnType<Date | null, Date | null | undefined, Date | null>
  done_at: Date | null
  outcome: string | null
  error: string | null
}

export type DiscardedPicturesTable = {
  url: string
  discarded_at: Generated<Date>
  attempts: Generated<number>
  due_at: Generated<Date>
}

export type HousekeepingTable = { job: 'sessions' | 'audit' | 'addresses'; cursor: string | null; done_at: Date }

/** The progress of an erasure; a trigger begins it. */
export type ErasuresTable = { id: string; user_id: string; at: Date }

export type Schema = {
  users: UsersTable
  platform_identities: PlatformIdentitiesTable
  union_members: UnionMembersTable
  sessions: SessionsTable
  signing_keys: SigningKeysTable
  audit_events: AuditEventsTable
  housekeeping: HousekeepingTable
  platform_events: PlatformEventsTable
  discarded_pictures: DiscardedPicturesTable
  erasures: ErasuresTable
}
