/** Signing keys: what each is doing, rotation by hand, and retiring one that leaked; each with who must be thought of. */
import { field, mark, postForm, problemOf, proofAgain, table, time } from './form.ts'
import { type Html, html } from './html.ts'
import type { Act } from './user-acts.ts'
import { dataOf, outcomeOf, type Shown, Unshowable, type View, type Visit } from './visit.ts'

type Key = {
  kid: string
  alg: string
  state: 'pending' | 'active' | 'retiring' | 'gone'
  activates_at: string
  signs_until: string | null
}

const kinds = { active: 'good', pending: 'warn', retiring: '', gone: '' } as const
const CONFIRMED = 8

const keysOf = async ({ ask }: Visit): Promise<Key[]> => dataOf(await ask('GET', '/admin/keys')).keys

export const keysView: View = async (visit, shown) => {
  const { words, mayAct } = visit
  const told = words.keys
  const rows = (await keysOf(visit)).map((key) => [
    html`<span class="mono">${key.kid}</span>`,
    key.alg,
    mark(told.states[key.state], kinds[key.state]),
    time(visit, key.activates_at),
    time(visit, key.signs_until),
    ...(mayAct
      ? [
          html`<a class="button quiet danger" href="/console/keys/${key.kid}/retire" aria-label="${told.retireOne}${key.kid}">${told.retire}</a>`,
        ]
      : []),
  ])
  const heads = [told.kid, told.alg, told.state, told.activates, told.until, ...(mayAct ? [''] : [])]
  const body = html`<h1>${told.title}</h1>
${mayAct ? '' : html`<p class="say warn">${words.readOnly}</p>`}
${problemOf(shown.problem, words)}
<section class="panel">${table(told.title, heads, rows)}</section>
${mayAct ? rotation(visit, shown) : ''}`
  return { title: told.title, body }
}

function rotation(visit: Visit, { errors, values }: Shown): Html {
  const told = visit.words.keys
  const open = errors.after !== undefined || values.after !== undefined
  const inside = html`<p class="say warn">${told.rotateWarn}</p>${field({
    name: 'after',
    label: told.after,
    kind: 'number',
    value: values.after,
    error: errors.after,
    hint: told.afterHint,
    maxLength: 8,
  })}<button class="danger">${told.rotateDo}</button>`
  return html`<section class="panel"><h2>${told.rotate}</h2><p class="small">${told.rotateText}</p><details${
    open ? html` open` : ''
  }><summary>${told.rotateSure}</summary>${postForm(visit, '/keys/rotate', inside)}</details></section>`
}

export const rotate: Act = async (visit) => {
  const { form, words, ask } = visit
  const { after = '' } = form
  if (!/^\d{0,8}$/.test(after)) return { problem: words.fieldsWrong, errors: { after: words.keys.notNumber } }
  const reply = await ask('POST', '/admin/keys/rotate', after ? { activate_after_seconds: Number(after) } : {})
  const flash = { say: 'rotated', lines: (reply.data?.warnings ?? []) as string[] }
  return outcomeOf(reply, { to: '/console/keys', flash }, { words, names: { activate_after_seconds: 'after' } })
}

export const retireView: View = async (visit, { problem, errors, values }) => {
  const { words, params } = visit
  const told = words.retire
  const key = (await keysOf(visit)).find(({ kid }) => kid === params.kid)
  if (!key) throw new Unshowable('missing', { status: 404, code: 'A0404', msg: 'no such key', data: null })
  const body = html`<div class="narrow column"><h1>${told.title}</h1>
${problemOf(problem, words)}
<section class="panel"><div class="head"><h2 class="mono">${key.kid}</h2>${mark(words.keys.states[key.state], kinds[key.state])}</div>
<p class="say bad">${told.warn}</p>${key.state === 'active' ? html`<p class="say bad">${told.activeWarn}</p>` : ''}
${postForm(
  visit,
  `/keys/${key.kid}/retire`,
  html`${field({
    name: 'confirm',
    label: told.confirm,
    value: values.confirm,
    error: errors.confirm,
    hint: html`${told.confirmHint}<code><strong>${key.kid.slice(0, CONFIRMED)}</strong>${key.kid.slice(CONFIRMED)}</code>`,
    required: true,
    maxLength: 64,
  })}${proofAgain(visit, errors.operator_token)}<div class="row"><button class="danger">${told.submit}</button><a class="button" href="/console/keys">${words.cancel}</a></div>`,
)}</section></div>`
  return { title: told.title, body }
}

export const retire: Act = async (visit) => {
  const { form, words, ask, params, provedAgain } = visit
  const kid = params.kid ?? ''
  const errors: Record<string, string> = {}
  if (form.confirm !== kid.slice(0, CONFIRMED) && form.confirm !== kid) errors.confirm = words.retire.confirmWrong
  if (!provedAgain()) errors.operator_token = words.again.wrong
  if (Object.keys(errors).length > 0) return { problem: words.fieldsWrong, errors }
  const reply = await ask('POST', `/admin/keys/${kid}/retire`)
  const flash = { say: 'retired', lines: (reply.data?.warnings ?? []) as string[] }
  return outcomeOf(reply, { to: '/console/keys', flash }, visit)
}
