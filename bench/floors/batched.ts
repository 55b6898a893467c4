/** The batched floor: logins that wait at the same time share one statement, and Redis is asked meanwhile. */

import type { Pool } from 'pg'
import { SESSION_KEY_SECONDS, startFloor } from './floor.ts'

const MAX_BATCH = 64
const MAX_UNDER_WAY = 2

// Rows in the order of openid: two batches lock users in the same order, so they cannot deadlock.
const OPEN_SESSIONS = `
with login as (select * from unnest($1::text[], $2::uuid[]) as login (openid, sid) order by openid),
person as (
  insert into users (openid) select openid from login order by openid
  on conflict (openid) do update set last_login_at = now() returning id, openid),
opened as (
  insert into sessions (id, user_id, expires_at)
  select sid, person.id, now() + interval '30 days' from login join person using (openid))
select id, openid from person`

type Login = { openid: string; sid: string; resolve: (userId: string) => void; reject: (error: unknown) => void }

function createBatches(pool: Pool) {
  let waiting: Login[] = []
  let underWay = 0

  function flush() {
    while (underWay < MAX_UNDER_WAY && waiting.length > 0) {
      const batch = new Map<string, Login>()
      const later: Login[] = []
      for (const login of waiting) {
        // A statement may touch a row once, so a second login of the same person takes the next batch.
        if (batch.size < MAX_BATCH && !batch.has(login.openid)) batch.set(login.openid, login)
        else later.push(login)
      }
      waiting = later
      underWay += 1
      void run(batch).finally(() => {
        underWay -= 1
        flush()
      })
    }
  }

  async function run(batch: Map<string, Login>) {
    const logins = [...batch.values()]
    const values = [logins.map((login) => login.openid), logins.map((login) => login.sid)]
    try {
      const found = await pool.query({ name: 'open-sessions', text: OPEN_SESSIONS, values })
      for (const row of found.rows) batch.get(row.openid)?.resolve(row.id)
    } catch (error) {
      for (const login of logins) login.reject(error)
    }
  }

  return (openid: string, sid: string) =>
    new Promise<string>((resolve, reject) => {
      waiting.push({ openid, sid, resolve, reject })
      flush()
    })
}

await startFloor(
  ({ pool, redis }) => {
    const openSession = createBatches(pool)
    return async ({ openid, sid, sessionKey }) => {
      const kept = redis.set(`session_key:${openid}`, sessionKey, 'EX', SESSION_KEY_SECONDS)
      const [userId] = await Promise.all([openSession(openid, sid), kept])
      return userId
    }
  },
  { enableAutoPipelining: true },
)
