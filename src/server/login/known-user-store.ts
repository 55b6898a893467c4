/** A session for a user who is known already: from another session of theirs, or because they confirmed it there. One statement. */
import { auditRowsText } from '../audit/audit.ts'
import type { Allocated } from '../revocation/publisher.ts'
import type { Database, Statement } from '../storage/database.ts'
import { createPatience, lockLimit } from '../storage/held-rows.ts'
import type { UserStatus } from '../storage/schema.ts'
import { newStatusIndex } from '../storage/server-identity.ts'

const openForStatement: Statement = {
  name: 'open_session_for',
  text: `
    with parent as materialized (
      select s.id, s.user_id, s.unionid, s.expires_at from sessions s, ${lockLimit}
      where s.id = $1::uuid and s.ended_at is null and s.idle_expires_at > $3::timestamptz and s.expires_at > $3::timestamptz
      for share of s
    ),
    person as materialized (
      select u.id, u.status, u.nickname, u.roles, u.claims, u.external_id from users u, ${lockLimit}
      where u.id = coalesce((select user_id from parent), $2::uuid) for share of u
    ),
    opened as (
      insert into sessions (id, user_id, platform, appid, openid, unionid, device, ip, created_at, refreshed_at, last_used_at,
        idle_expires_at, expires_at, status_index, parent_id)
      select $4::uuid, p.id, $5::text, $6::text, '', (select unionid from parent), $7::text, $8::text, $3::timestamptz, $3::timestamptz, $3::timestamptz,
        $3::timestamptz + make_interval(secs => $9::int),
        least($3::timestamptz + make_interval(secs => $10::int), (select expires_at from parent)),
        ${newStatusIndex('$11', '$12', '$14')}, (select id from parent)
      from person p where p.status = 'active'
      on conflict (id) do nothing
      returning id, user_id, status_index, idle_expires_at, expires_at
    ),
    audited as (
      ${auditRowsText({
        kind: 'login',
        from: 'opened o',
        at: '$3',
        user_id: 'o.user_id',
        session_id: 'o.id',
        appid: '$6::text',
        ip: '$8::text',
        actor: "'user'",
        request_id: '$13::text',
        detail: `(select jsonb_build_object('parent', id) from parent)`,
      })}
    )
    select p.id as "userId", p.status, p.nickname, p.roles, p.claims, p.external_id as "externalId",
      coalesce(o.status_index, 0) as "statusIndex",
      coalesce(ceil(extract(epoch from least(o.idle_expires_at, o.expires_at) - $3::timestamptz))::int, 0) as "endsInSeconds",
      coalesce(floor(extract(epoch from least(o.idle_expires_at, o.expires_at)))::bigint, 0) as "sessionEndsAt"
    from person p left join opened o on true
    where o.id is not null or p.status <> 'active'`,
}

export type OpenForItem = {
  client: { platform: string; id: string; idleSeconds: number; absoluteSeconds: number }
  device: string | undefined
  actor: { ip?: string | undefined; requestId?: string | undefined }
  sid: string
  from: { parentSid: string } | { userId: string }
}

export type OpenedFor = {
  userId: string
  status: UserStatus
  nickname: string | null
  roles: string[]
  claims: Record<string, unknown> | null
  externalId: string | null
  statusIndex: number
  endsInSeconds: number
  sessionEndsAt: number
}

export type OpenForParts = {
  database: Pick<Database, 'run'>
  now: () => Date
  /** What the index of a new session is made with (revocation/). */
  allocated: () => Allocated
}

/**
 * The row it comes from is locked, so that an end which commits first is seen, and one that comes later finds the new session. The
 * function answers undefined when that session has ended. Throws RowHeld.
 */
export function createOpenFor({ database, now, allocated }: OpenForParts) {
  const patiently = createPatience()
  return async function openFor({ client, device, actor, sid, from }: OpenForItem): Promise<OpenedFor | undefined> {
    const { next, seed, server } = allocated()
    const fromParent = 'parentSid' in from
    const values = [
      fromParent ? from.parentSid : null,
      fromParent ? null : from.userId,
      now(),
      sid,
      client.platform,
      client.id,
      device ?? null,
      actor.ip ?? null,
      client.idleSeconds,
      client.absoluteSeconds,
      next,
      seed,
      actor.requestId ?? '',
      server,
    ]
    const key = fromParent ? from.parentSid : from.userId
    const [row] = await patiently(key, () => database.run<OpenedFor>(openForStatement, values))
    return row
  }
}
