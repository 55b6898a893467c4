/** The bare floor: one statement for user and session, then one Redis command, per login. */

import { SESSION_KEY_SECONDS, startFloor } from './floor.ts'

const OPEN_SESSION = `
with person as (
  insert into users (openid) values ($1)
  on conflict (openid) do update set last_login_at = now() returning id),
opened as (insert into sessions (id, user_id, expires_at) select $2::uuid, id, now() + interval '30 days' from person)
select id from person`

await startFloor(({ pool, redis }) => async ({ openid, sid, sessionKey }) => {
  const found = await pool.query({ name: 'open-session', text: OPEN_SESSION, values: [openid, sid] })
  await redis.set(`session_key:${openid}`, sessionKey, 'EX', SESSION_KEY_SECONDS)
  return found.rows[0].id
})
