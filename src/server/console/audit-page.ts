/** The audit trail with every filter that the API has, a page at a time. */
import { choice, field, instantOf, mark, problemOf, table, time } from './form.ts'
import { type Html, html } from './html.ts'
import { pages } from './users-page.ts'
import { dataOf, type View, type Visit } from './visit.ts'

export type AuditLine = {
  at: string
  kind: string
  user_id: string | null
  session_id: string | null
  ip: string | null
  actor: string | null
  detail: Record<string, unknown> | null
}

const LINES = 50
const words_ = ['user_id', 'session_id', 'kind', 'actor', 'ip'] as const

export const auditView: View = async (visit) => {
  const { words, query, ask } = visit
  const { offsetMinutes } = words.zone
  const given = (name: string) => (query.get(name) ?? '').trim()
  const asked = new URLSearchParams({ limit: String(LINES) })
  const errors: Record<string, string> = {}
  for (const name of words_) {
    const value = given(name)
    if (value) asked.set(name, name === 'actor' ? fullActor(value) : value)
  }
  for (const name of ['from', 'to']) {
    const value = given(name)
    const at = instantOf(value, offsetMinutes)
    if (at) asked.set(name, at)
    else if (value) errors[name] = words.audit.badTime
  }
  if (query.has('cursor')) asked.set('cursor', given('cursor'))
  const reply = Object.keys(errors).length > 0 ? undefined : await ask('GET', `/admin/audit?${asked}`)
  if (reply?.code === 'A0400') Object.assign(errors, reply.fields)
  const wrong = Object.keys(errors).length > 0
  const found = wrong || !reply ? undefined : (dataOf(reply) as { items: AuditLine[]; next_cursor: string | null })
  const { audit } = words
  const input = (name: string, label: string, more: { hint?: string; kind?: 'datetime-local'; wide?: boolean } = {}) =>
    field({ name, label, value: given(name), error: errors[name], maxLength: 200, ...more })
  const body = html`<h1>${audit.title}</h1>
${problemOf(wrong ? words.fieldsWrong : undefined, words)}
<section class="panel" aria-label="${audit.filters}"><form method="get" action="/console/audit" role="search"><div class="row">
${input('user_id', audit.userId, { wide: true })}
${input('session_id', audit.sessionId, { wide: true })}
${choice({
  name: 'kind',
  label: audit.kind,
  value: given('kind'),
  error: errors.kind,
  options: [['', audit.anyKind], ...Object.entries(words.kinds)],
})}
</div><div class="row">
${input('actor', audit.actor, { hint: audit.actorHint, wide: true })}
${input('ip', audit.ip)}
${input('from', `${audit.from} (${words.zone.name})`, { kind: 'datetime-local' })}
${input('to', `${audit.to} (${words.zone.name})`, { kind: 'datetime-local' })}
</div><button class="primary">${audit.show}</button></form></section>
${found ? html`<section class="panel"><h2>${audit.results}</h2>${auditTable(visit, found.items)}${pages('/console/audit', query, found.next_cursor, words)}</section>` : ''}`
  return { title: audit.title, body, ...(wrong ? { status: 400 } : {}) }
}

/** An operator's bare name is what a person remembers. */
const fullActor = (text: string) => (/^(user|system|gateway)$|:/.test(text) ? text : `operator:${text}`)

export function auditTable(visit: Visit, items: readonly AuditLine[], { ofUser = false } = {}): Html {
  const { words } = visit
  const { audit } = words
  if (items.length === 0) return html`<p>${audit.nothing}</p>`
  const nothing = html`<span class="faint">${words.none}</span>`
  const rows = items.map(({ at, kind, user_id, session_id, ip, actor, detail }) => [
    time(visit, at),
    html`${words.kinds[kind] ?? kind}<br><span class="mono faint whole">${kind}</span>`,
    ...(ofUser
      ? []
      : [user_id === null ? nothing : html`<a class="mono" href="/console/users/${user_id}">${user_id}</a>`]),
    actor === null ? nothing : actor.startsWith('operator:') ? mark(actor, 'warn') : actor,
    ip === null ? nothing : html`<span class="whole">${ip}</span>`,
    html`${session_id === null ? '' : html`<a class="mono" href="/console/audit?session_id=${session_id}" aria-label="${audit.sessionId} ${session_id}">${session_id}</a>`}${
      detail === null ? '' : html`<pre>${JSON.stringify(detail)}</pre>`
    }${session_id === null && detail === null ? nothing : ''}`,
  ])
  const heads = [audit.time, audit.kind, ...(ofUser ? [] : [words.users.user]), audit.actor, audit.ip, audit.detail]
  return table(audit.results, heads, rows)
}
