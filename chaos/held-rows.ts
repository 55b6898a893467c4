/** Rows that somebody holds in psql, idle in transaction: those who need them get the documented answer, everybody else notices nothing. */

import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from 'pg'
import type { Replica, Site } from './site.ts'

/** The contract names it for a store that this request needs; a row that stays held is one. */
const REFUSED = '503 B0320'
/** Patience of 2.5 s, and a busy machine. */
const ANSWERED_WITHIN_MS = 6000

export type HeldParts = { site: Site; forMs: number; name: string; onViolation: (what: string) => void }

type Said = { answer: string; data: Record<string, string> | null; ms: number }

/** The row of one user and of another one's session, each asked for at every replica meanwhile. */
export async function holdRows({ site, forMs, name, onViolation }: HeldParts): Promise<void> {
  let codes = 0
  const login = (replica: Replica, person: string) => {
    codes += 1
    return say(replica, 'POST', '/api/login', { body: { code: `dev:${name}-${person}:${codes}` } })
  }
  const [first] = site.replicas
  if (!first) throw new Error('there is no replica')
  const [user, session] = [await login(first, 'user'), await login(first, 'session')]
  if (!user.data || !session.data) return onViolation(`${name}: its logins answer ${user.answer}, ${session.answer}`)
  const bearer = (of: Said) => ({ token: of.data?.token ?? '' })
  const needsIt: Record<string, (replica: Replica) => Promise<Said>> = {
    'login of the user': (replica) => login(replica, 'user'),
    'profile of the user': (replica) =>
      say(replica, 'PATCH', '/api/user', { ...bearer(user), body: { nickname: 'held' } }),
    'refresh of the session': (replica) =>
      say(replica, 'POST', '/api/refresh', { body: { refresh_token: session.data?.refresh_token } }),
  }
  const reads = (replica: Replica) => say(replica, 'GET', '/api/user', bearer(session))

  const psql = await begin(site)
  try {
    await psql.query('select from users where id = $1 for update', [user.data.user_id])
    await psql.query('select from sessions where user_id = $1 for update', [session.data.user_id])
    let held = true
    const asking = Object.entries(needsIt).flatMap(([what, act]) =>
      site.replicas.map(async (replica) => {
        while (held) {
          const { answer, ms } = await act(replica)
          if (answer !== REFUSED && (held || answer !== '200 00000')) onViolation(`${what}, held: ${answer}`)
          if (ms > ANSWERED_WITHIN_MS) onViolation(`${what}, held: answered after ${Math.round(ms)} ms`)
        }
      }),
    )
    const reading = site.replicas.map(async (replica) => {
      for (; held; await sleep(200)) {
        const { answer } = await reads(replica)
        if (answer !== '200 00000') onViolation(`a held session is read: ${answer}`)
      }
    })
    await sleep(forMs)
    held = false
    await psql.query('rollback')
    await Promise.all([...asking, ...reading])
  } finally {
    await psql.end()
  }
  for (const [what, act] of Object.entries(needsIt)) {
    const { answer } = await act(first)
    if (answer !== '200 00000') onViolation(`${what}, free again: ${answer}`)
  }
}

/** What `create index` takes: whoever must write to the audit trail waits, and is refused in time; all others go on. */
export async function holdAuditPartition({ site, forMs }: Pick<HeldParts, 'site' | 'forMs'>): Promise<void> {
  const psql = await begin(site)
  try {
    const { rows } = await psql.query<{ partition: string }>(
      `select 'audit_events_' || to_char(now() at time zone 'UTC', 'YYYY_MM') as partition`,
    )
    await psql.query(`lock table ${rows[0]?.partition} in share mode`)
    await sleep(forMs)
    await psql.query('rollback')
  } finally {
    await psql.end()
  }
}

async function begin({ postgres }: Site): Promise<Client> {
  const psql = new Client({ connectionString: postgres.url, application_name: 'psql' })
  await psql.connect()
  await psql.query('begin')
  return psql
}

async function say(
  { url }: Replica,
  method: string,
  path: string,
  { token, body }: { token?: string; body?: object },
): Promise<Said> {
  const began = performance.now()
  const headers = {
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    ...(body ? { 'content-type': 'application/json' } : {}),
  }
  try {
    const sent = { method, headers, ...(body ? { body: JSON.stringify(body) } : {}) }
    const reply = await fetch(url + path, { ...sent, signal: AbortSignal.timeout(9000) })
    const { code, data } = (await reply.json()) as { code: string; data: Record<string, string> | null }
    return { answer: `${reply.status} ${code}`, data, ms: performance.now() - began }
  } catch (error) {
    return { answer: String(error), data: null, ms: performance.now() - began }
  }
}
