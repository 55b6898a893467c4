/** Search users by whatever a person who calls can tell, and how many there are. */
import { choice, field, mark, problemOf, table, time } from './form.ts'
import { type Html, html } from './html.ts'
import { dataOf, type View, type Visit } from './visit.ts'

type Line = {
  user_id: string
  status: 'active' | 'suspended' | 'erased'
  nickname: string | null
  phone: string | null
  external_id: string | null
  created_at: string
  last_login_at: string
}
type Count = { count: number; estimated: boolean }

const LINES = 25
const kinds = ['nickname', 'id', 'phone', 'openid', 'unionid', 'external_id', 'ip'] as const
type Kind = (typeof kinds)[number]

export const statusMark = ({ words }: Pick<Visit, 'words'>, status: Line['status']): Html =>
  mark(words.statuses[status], status === 'active' ? 'good' : status === 'suspended' ? 'bad' : '')

export const usersView: View = async (visit) => {
  const { words, query, ask } = visit
  const by = kinds.find((kind) => kind === query.get('by')) ?? 'nickname'
  const word = (query.get('q') ?? '').trim()
  const status = query.get('status') ?? ''
  const asked = new URLSearchParams({
    limit: String(LINES),
    ...(word ? { [by]: word } : {}),
    ...(status ? { status } : {}),
    ...(query.has('cursor') ? { cursor: query.get('cursor') ?? '' } : {}),
  })
  const [reply, counts] = await Promise.all([ask('GET', `/admin/users?${asked}`), ask('GET', '/admin/counts')])
  const wrong = reply.code === 'A0400' ? reply.fields : undefined
  const found = wrong ? undefined : (dataOf(reply) as { items: Line[]; next_cursor: string | null })
  const body = html`<h1>${words.users.title}</h1>
${counts.code === '00000' ? overview(visit, counts.data) : ''}
${problemOf(wrong && words.fieldsWrong, words)}
<section class="panel" aria-label="${words.users.search}"><form method="get" action="/console" role="search"><div class="row">
${choice({ name: 'by', label: words.users.by, value: by, options: kinds.map((kind): [Kind, string] => [kind, words.users.kinds[kind]]) })}
${field({ name: 'q', label: words.users.word, value: word, error: wrong?.[by], hint: words.users.wordHint, wide: true, maxLength: 128 })}
${choice({
  name: 'status',
  label: words.users.status,
  value: status,
  error: wrong?.status,
  options: [['', words.users.anyStatus], ...Object.entries(words.statuses)],
})}
</div><button class="primary">${words.users.search}</button></form></section>
${found ? results(visit, found) : ''}`
  return { title: words.users.title, body, ...(wrong ? { status: 400 } : {}) }
}

function overview({ words }: Visit, counts: { users: Record<Line['status'], Count>; live_sessions: Count }): Html {
  const shown = ({ count, estimated }: Count) =>
    `${estimated ? `${words.users.about} ` : ''}${new Intl.NumberFormat(words.language).format(count)}`
  const lines: [string, Count][] = [
    ...(['active', 'suspended', 'erased'] as const).map((status): [string, Count] => [
      words.statuses[status],
      counts.users[status],
    ]),
    [words.users.liveSessions, counts.live_sessions],
  ]
  return html`<section class="panel" aria-label="${words.users.counts}"><dl class="counts">${lines.map(
    ([name, count]) => html`<div><dt>${name}</dt><dd>${shown(count)}</dd></div>`,
  )}</dl></section>`
}

function results(visit: Visit, { items, next_cursor }: { items: Line[]; next_cursor: string | null }): Html {
  const { words, query } = visit
  if (items.length === 0 && next_cursor === null)
    return html`<section class="panel"><h2>${words.users.results}</h2><p>${words.users.nothing}</p></section>`
  const rows = items.map((user) => [
    html`<a href="/console/users/${user.user_id}">${user.nickname ?? words.users.noNickname}</a><br><span class="mono faint">${user.user_id}</span>`,
    statusMark(visit, user.status),
    user.phone ?? html`<span class="faint">${words.none}</span>`,
    user.external_id ?? html`<span class="faint">${words.none}</span>`,
    time(visit, user.created_at),
    time(visit, user.last_login_at),
  ])
  const { users } = words
  const heads = [users.user, users.status, users.phone, users.externalId, users.created, users.lastLogin]
  return html`<section class="panel"><h2>${users.results}</h2>${table(users.results, heads, rows)}${pages(
    '/console',
    query,
    next_cursor,
    words,
  )}</section>`
}

export function pages(path: string, query: URLSearchParams, next: string | null, words: Visit['words']): Html {
  const withCursor = (cursor: string | null) => {
    const other = new URLSearchParams([...query].filter(([name, value]) => name !== 'cursor' && value !== ''))
    if (cursor !== null) other.set('cursor', cursor)
    return other.size > 0 ? `${path}?${other}` : path
  }
  return html`<p class="pages">${query.has('cursor') ? html`<a href="${withCursor(null)}">${words.first}</a>` : ''}${
    next === null ? '' : html`<a class="button" href="${withCursor(next)}">${words.more}</a>`
  }</p>`
}
