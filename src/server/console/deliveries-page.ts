/** What services were told: how far each is behind, dead letters, trying again, and telling once more from a time on. */
import { choice, field, instantOf, mark, postForm, problemOf, table, time } from './form.ts'
import { type Html, html } from './html.ts'
import type { Act } from './user-acts.ts'
import { pages } from './users-page.ts'
import { dataOf, outcomeOf, type Shown, type View, type Visit } from './visit.ts'

type Target = {
  id: string
  mode: 'push' | 'poll'
  pending: number
  dead: number
  oldest_pending_seconds: number
  failures: number
  paused_until: string | null
}
type Delivery = {
  event_id: string
  target: string
  kind: string
  user_id: string
  at: string
  state: 'pending' | 'delivered' | 'dead'
  attempts: number
  due_at: string | null
  last_error: string | null
}

const LINES = 50
const kinds = { pending: 'warn', delivered: 'good', dead: 'bad' } as const

export const deliveriesView: View = async (visit, shown) => {
  const { words, query, ask, mayAct } = visit
  const told = words.deliveries
  const asked = new URLSearchParams({ limit: String(LINES) })
  for (const name of ['target', 'state', 'cursor']) if (query.get(name)) asked.set(name, query.get(name) ?? '')
  const [targets, found] = await Promise.all([
    ask('GET', '/admin/event-targets').then((reply) => dataOf(reply).items as Target[]),
    ask('GET', `/admin/deliveries?${asked}`).then(
      (reply) => dataOf(reply) as { items: Delivery[]; next_cursor: string | null },
    ),
  ])
  const names = targets.map(({ id }): [string, string] => [id, id])
  const body = html`<h1>${told.title}</h1>
${mayAct ? '' : html`<p class="say warn">${words.readOnly}</p>`}
${problemOf(shown.problem, words)}
<section class="panel"><h2>${told.targets}</h2>${targetsTable(visit, targets)}</section>
<section class="panel"><h2>${told.events}</h2><form method="get" action="/console/deliveries" role="search"><div class="row">
${choice({ name: 'target', label: told.target, value: query.get('target') ?? '', options: [['', told.any], ...names] })}
${choice({ name: 'state', label: told.state, value: query.get('state') ?? '', options: [['', told.any], ...Object.entries(told.states)] })}
</div><button class="primary">${told.show}</button></form>
${deliveriesTable(visit, found.items)}${pages('/console/deliveries', query, found.next_cursor, words)}</section>
${mayAct && targets.length > 0 ? replayForm(visit, names, shown) : ''}`
  return { title: told.title, body }
}

function targetsTable(visit: Visit, targets: readonly Target[]): Html {
  const told = visit.words.deliveries
  return table(
    told.targets,
    [told.target, told.mode, told.pending, told.dead, told.oldest, told.state],
    targets.map((one) => [
      one.id,
      told.modes[one.mode],
      String(one.pending),
      one.dead === 0 ? '0' : html`<a href="/console/deliveries?target=${one.id}&state=dead">${one.dead}</a>`,
      visit.words.health.seconds(one.oldest_pending_seconds),
      one.paused_until === null
        ? mark(told.fine, 'good')
        : html`${mark(`${told.failing} ${one.failures}`, 'bad')} ${time(visit, one.paused_until)}`,
    ]),
  )
}

function deliveriesTable(visit: Visit, items: readonly Delivery[]): Html {
  const { words, mayAct } = visit
  const told = words.deliveries
  if (items.length === 0) return html`<p>${told.nothing}</p>`
  const again = (one: Delivery) =>
    one.state === 'dead'
      ? postForm(
          visit,
          '/deliveries/retry',
          html`<input type="hidden" name="target" value="${one.target}"><input type="hidden" name="event_id" value="${one.event_id}"><button class="quiet" aria-label="${told.retry}: ${one.kind} ${one.event_id}">${told.retry}</button>`,
          'plain',
        )
      : ''
  return table(
    told.events,
    [told.when, told.event, words.users.user, told.target, told.state, told.attempts, ...(mayAct ? [''] : [])],
    items.map((one) => [
      time(visit, one.at),
      html`<span class="whole">${one.kind}</span>`,
      html`<a class="mono" href="/console/users/${one.user_id}">${one.user_id}</a>`,
      one.target,
      mark(told.states[one.state], kinds[one.state]),
      html`${one.attempts}${one.last_error === null ? '' : html`<pre>${one.last_error}</pre>`}`,
      ...(mayAct ? [again(one) || null] : []),
    ]),
  )
}

function replayForm(visit: Visit, names: [string, string][], { errors, values }: Shown): Html {
  const { words } = visit
  const told = words.deliveries
  const inside = html`<p class="small">${told.replayText}</p><div class="row">${choice({
    name: 'replay_target',
    label: told.target,
    value: values.replay_target,
    options: names,
    error: errors.replay_target,
  })}${field({
    name: 'from',
    label: `${words.audit.from} (${words.zone.name})`,
    kind: 'datetime-local',
    required: true,
    value: values.from,
    error: errors.from,
  })}</div><button class="danger">${told.replayDo}</button>`
  const open = errors.from !== undefined || errors.replay_target !== undefined
  return html`<section class="panel"><h2>${told.replay}</h2><details${open ? html` open` : ''}><summary>${told.replaySure}</summary>${postForm(
    visit,
    '/deliveries/replay',
    inside,
  )}</details></section>`
}

export const retry: Act = async (visit) => {
  const { form, ask } = visit
  const reply = await ask('POST', '/admin/deliveries/retry', { target: form.target, event_id: form.event_id })
  const to = `/console/deliveries?${new URLSearchParams({ target: form.target ?? '', state: 'dead' })}`
  // Another operator was quicker, or it was delivered.
  if (reply.code === 'A0404') return { to, flash: { say: 'retriedBefore' } }
  return outcomeOf(reply, { to, flash: { say: 'retried' } }, visit)
}

export const replay: Act = async (visit) => {
  const { form, words, ask } = visit
  const from = instantOf(form.from ?? '', words.zone.offsetMinutes)
  if (from === undefined) return { problem: words.fieldsWrong, errors: { from: words.audit.badTime } }
  const reply = await ask('POST', '/admin/deliveries/replay', { target: form.replay_target, from })
  const flash = { say: 'replayed', lines: [`${reply.data?.events ?? 0}`] }
  return outcomeOf(reply, { to: '/console/deliveries', flash }, { words, names: { target: 'replay_target' } })
}
