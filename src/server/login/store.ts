/** A login's one statement: find or create the user, take what the login brought along, open the session, audit it. */
import { auditRowsText } from '../audit/audit.ts'
import type { Allocated } from '../revocation/publisher.ts'
import type { Database, Statement } from '../storage/database.ts'
import { batchLockLimit } from '../storage/held-rows.ts'
import { createPatientBatch } from '../storage/patient-batch.ts'
import type { Sex, UserStatus } from '../storage/schema.ts'
import { newStatusIndex } from '../storage/server-identity.ts'
import { createOpenFor } from './known-user-store.ts'

export type SignInItem = {
  platform: string
  appid: string
  openid: string
  unionid: string | undefined
  /** Set when the app shares its users by unionid. */
  unionName: string | undefined
  /** The session's id, chosen beforehand: the same sign-in sent twice opens one session. */
  sid: string
  /** The id the user gets if this person is new to us. */
  newUserId: string
  nickname: string | undefined
  avatar: string | undefined
  sex: Sex | undefined
  device: string | undefined
  ip: string | undefined
  requestId: string
  idleSeconds: number
  absoluteSeconds: number
}

/** The session that this sign-in opened, or had opened before. */
export type SignedIn = {
  userId: string
  statusIndex: number
  nickname: string | null
  roles: string[]
  claims: Record<string, unknown> | null
  externalId: string | null
  firstSessionId: string
  unionid: string | null
  /** Until the session ends if it is not refreshed. */
  endsInSeconds: number
  /** The same as a moment, in seconds since 1970. */
  sessionEndsAt: number
  /** Set when the session has ended since. */
  endedAt: string | null
  /** Of a session that was there before: the address that it was opened from, and whether it was used since. Null for a new one. */
  openedFrom: string | null
  used: boolean | null
  /** The least recently used sessions of this user and app that had to end, so that there are no more than the limit. */
  displaced: { sid: string; statusIndex: number }[] | null
}

/** No session was opened: the user is suspended or erased, or was at that moment. */
export type NotSignedIn = { statusIndex: null; status: UserStatus }

/**
 * What each answer means: no row: the identity is not there and could not be made here (it has a unionid to join by, or another
 * login made it this instant); `needs_join`: a unionid appeared that the identity lacks. Both are settled outside, then sent again.
 *
 * `free` locks the rows of known users and passes over those that somebody else holds: these are `held`. `users_in` looks at its
 * row's status again: a suspension that commits first wins, and one that comes later sees the session. It never inserts a user that
 * is known, since identities refer to users.
 * `created` relies on the primary key: of parallel first logins one inserts.
 *
 * `displaced` passes over a session that is being used this moment, so it waits for nobody; the next login finds it.
 *
 * The answer is one value of JSON, which is read in one go: 15 columns a row cost 5 % of a login's CPU here and 9 % of PostgreSQL's.
 *
 * The limits (the number of items) tell the planner to expect few rows, a tenth each time, so that it looks up every row by index,
 * even with the plan that it made while the tables were empty.
 */
export const signInStatement: Statement = {
  name: 'sign_in',
  shared: true,
  text: `
    with input as materialized (
      select * from (select * from rows from (json_to_recordset($1::text::json) as (platform text, appid text, openid text, unionid text,
        "unionName" text, sid uuid, "newUserId" uuid, nickname text, avatar text, sex text, device text, ip text, "requestId" text,
        "idleSeconds" int, "absoluteSeconds" int)) with ordinality as i (platform, appid, openid, unionid, union_name, sid, new_user_id,
        nickname, avatar, sex, device, ip, request_id, idle_seconds, absolute_seconds, ord), ${batchLockLimit} limit $3::int) few
      limit $3::int
    ),
    found as materialized (
      select i.ord, p.user_id, coalesce(i.unionid, p.unionid) as unionid, i.unionid <> coalesce(p.unionid, '') as unionid_is_new,
        i.union_name is not null and i.unionid is not null
          and (i.unionid, i.union_name) is distinct from (p.unionid, p.union_name) as needs_join
      from input i join platform_identities p on p.platform = i.platform and p.appid = i.appid and p.openid = i.openid
    ),
    free as materialized (
      select u.id from found f join users u on u.id = f.user_id where not f.needs_join for no key update of u skip locked
    ),
    created as (
      insert into platform_identities (platform, appid, openid, user_id, unionid, created_at)
      select platform, appid, openid, new_user_id, unionid, $2::timestamptz from input i
      where (i.union_name is null or i.unionid is null) and not exists (select from found f where f.ord = i.ord)
        -- Its session is there and its identity is not: the user was erased, and the code is spent.
        and not exists (select from sessions e where e.id = i.sid)
      order by openid
      on conflict do nothing
      returning user_id
    ),
    persons as materialized (
      select i.*, f.user_id, f.unionid as known_unionid from input i join found f on f.ord = i.ord and not f.needs_join
      where f.user_id in (select id from free)
      union all
      select i.*, c.user_id, i.unionid from input i join created c on c.user_id = i.new_user_id
    ),
    users_in as (
      insert into users as u (id, nickname, avatar, sex, first_session_id, created_at, updated_at, last_login_at)
      select distinct on (user_id) user_id, nickname, avatar, sex, sid, $2::timestamptz, $2::timestamptz, $2::timestamptz
      from persons order by user_id
      on conflict (id) do update set
        last_login_at = excluded.last_login_at,
        nickname = case when 'nickname' = any (u.chosen_fields) then u.nickname else coalesce(excluded.nickname, u.nickname) end,
        avatar = case when 'avatar' = any (u.chosen_fields) then u.avatar else coalesce(excluded.avatar, u.avatar) end,
        sex = case when 'sex' = any (u.chosen_fields) then u.sex else coalesce(excluded.sex, u.sex) end
      where u.status = 'active'
      returning u.id, u.nickname as user_nickname, u.roles, u.claims, u.external_id, u.first_session_id
    ),
    late as materialized (
      select p.platform, p.appid, p.openid, f.unionid from found f join input i on i.ord = f.ord
      cross join lateral (
        select p.platform, p.appid, p.openid from platform_identities p
        where p.platform = i.platform and p.appid = i.appid and p.openid = i.openid limit 1 for no key update skip locked
      ) p
      where f.unionid_is_new and not f.needs_join
    ),
    kept as (
      update platform_identities p set unionid = l.unionid from late l
      where p.platform = l.platform and p.appid = l.appid and p.openid = l.openid
    ),
    signed as materialized (
      select p.*, u.user_nickname, u.roles, u.claims, u.external_id, u.first_session_id from persons p join users_in u on u.id = p.user_id
    ),
    opened as (
      insert into sessions (id, user_id, platform, appid, openid, unionid, device, ip, created_at, refreshed_at, last_used_at,
        idle_expires_at, expires_at, status_index)
      select sid, user_id, platform, appid, openid, known_unionid, device, ip, $2::timestamptz, $2::timestamptz, $2::timestamptz,
        $2::timestamptz + make_interval(secs => idle_seconds), $2::timestamptz + make_interval(secs => absolute_seconds),
        ${newStatusIndex('$5', '$6', '$7')}
      from signed
      on conflict (id) do nothing
      returning id, status_index, idle_expires_at, expires_at
    ),
    surplus as materialized (
      select e.id from signed s join opened o on o.id = s.sid cross join lateral (
        select c.id from sessions c
        where c.user_id = s.user_id and c.platform = s.platform and c.appid = s.appid
          and c.ended_at is null and c.idle_expires_at > $2::timestamptz and c.expires_at > $2::timestamptz
        order by c.last_used_at desc, c.id desc offset $4::int - 1
      ) e
    ),
    displaced as (
      update sessions set ended_at = $2::timestamptz, ended_xid = pg_current_xact_id(), end_reason = 'limit'
      where id in (
        select l.id from surplus cross join lateral (
          select c.id from sessions c where c.id = surplus.id and c.ended_at is null limit 1 for no key update skip locked
        ) l
      )
      returning id, user_id, platform, appid, status_index
    ),
    audited as (
      ${auditRowsText(
        {
          kind: 'login',
          from: 'signed s join opened o on o.id = s.sid',
          at: '$2',
          user_id: 's.user_id',
          session_id: 's.sid',
          appid: 's.appid',
          ip: 's.ip',
          actor: "'user'",
          request_id: 's.request_id',
        },
        {
          kind: 'session_ended',
          from: 'displaced d join signed s on s.user_id = d.user_id and s.platform = d.platform and s.appid = d.appid',
          at: '$2',
          user_id: 'd.user_id',
          session_id: 'd.id',
          appid: 'd.appid',
          ip: 's.ip',
          actor: "'user'",
          request_id: 's.request_id',
          detail: `'{"reason": "limit"}'`,
        },
      )}
    )
    select json_agg(answer) as answers from (
    select i.ord::int, f.needs_join as "needsJoin", not f.needs_join and f.user_id not in (select id from free) as held, coalesce(s.user_id, f.user_id, e.user_id) as "userId",
      case when s.sid is null then (select status from users u where u.id = f.user_id) else 'active' end as status,
      s.user_nickname as nickname, s.roles, s.claims, s.external_id as "externalId", s.first_session_id as "firstSessionId", s.known_unionid as unionid,
      coalesce(o.status_index, e.status_index) as "statusIndex", e.ended_at as "endedAt", e.ip as "openedFrom", e.refresh_counter > 0 or e.last_used_at > e.created_at as used,
      ceil(extract(epoch from ends.at - $2::timestamptz))::int as "endsInSeconds",
      floor(extract(epoch from ends.at))::bigint as "sessionEndsAt",
      (select json_agg(json_build_object('sid', d.id, 'statusIndex', d.status_index)) from displaced d
        where d.user_id = s.user_id and d.platform = i.platform and d.appid = i.appid) as displaced
    from input i
    left join found f on f.ord = i.ord
    left join signed s on s.ord = i.ord
    left join opened o on o.id = i.sid
    left join lateral (select * from sessions e where e.id = i.sid and o.id is null
      and (s.sid is not null or f.user_id is null) limit 1) e on true
    cross join lateral (
      select least(coalesce(o.idle_expires_at, e.idle_expires_at), coalesce(o.expires_at, e.expires_at)) as at
    ) ends
    where f.user_id is not null or s.user_id is not null or e.id is not null
    ) answer`,
}

export type SignInResult = SignedIn | NotSignedIn | 'unknown' | 'needs_join'

export type LoginStore = ReturnType<typeof createLoginStore>

export type LoginStoreParts = {
  database: Database
  now: () => Date
  sessionLimit: number
  /** What the index of a new session is made with (revocation/). */
  allocated: () => Allocated
}

export function createLoginStore({ database, now, sessionLimit, allocated }: LoginStoreParts) {
  type Row = (SignedIn | NotSignedIn) & { ord: number; needsJoin: boolean | null; held: boolean | null }

  const signIn = createPatientBatch<SignInItem, SignInResult>({
    name: signInStatement.name,
    span: database.span,
    keyOf: (item) => `${item.openid} ${item.platform} ${item.appid}`,
    async run(items) {
      const { next, seed, server } = allocated()
      const values = [JSON.stringify(items), now(), items.length, sessionLimit, next, seed, server]
      const [row] = await database.run<{ answers: Row[] | null }>(signInStatement, values)
      const results: (SignInResult | 'held')[] = items.map(() => 'unknown')
      for (const answer of row?.answers ?? [])
        results[answer.ord - 1] = answer.needsJoin ? 'needs_join' : answer.held ? 'held' : answer
      return results
    },
  })

  /** `signIn` throws RowHeld when somebody else holds the user's row. */
  return { signIn, openFor: createOpenFor({ database, now, allocated }) }
}
