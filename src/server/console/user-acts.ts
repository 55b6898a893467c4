/** What operators do to a user from the console: each one call of the operators' API. */
import type { ApiReply } from './api.ts'
import { field, postForm, problemOf, proofAgain } from './form.ts'
import { html } from './html.ts'
import { type Editable, editable, seenOf, type User } from './user-page.ts'
import { statusMark } from './users-page.ts'
import { dataOf, type Outcome, outcomeOf, type View, type Visit } from './visit.ts'

export type Act = (visit: Visit) => Promise<Outcome>

const pageOf = ({ params }: Visit) => ({ id: params.id ?? '', to: `/console/users/${params.id}` })

export const suspend: Act = async (visit) => {
  const { form, words, ask } = visit
  const { id, to } = pageOf(visit)
  if (!form.reason) return { problem: words.fieldsWrong, errors: { reason: words.user.reasonMissing } }
  const reply = await ask('POST', `/admin/users/${id}/suspend`, { reason: form.reason })
  const say = reply.data?.changed ? 'suspended' : 'suspendedBefore'
  return outcomeOf(reply, { to, flash: { say } }, visit)
}

export const reinstate: Act = async (visit) => {
  const { form, ask } = visit
  const { id, to } = pageOf(visit)
  const body = form.reason ? { reason: form.reason } : {}
  const reply = await ask('POST', `/admin/users/${id}/reinstate`, body)
  const say = reply.data?.changed ? 'reinstated' : 'reinstatedBefore'
  return outcomeOf(reply, { to, flash: { say } }, visit)
}

export const endSession: Act = async (visit) => {
  const { id, to } = pageOf(visit)
  const reply = await visit.ask('DELETE', `/admin/users/${id}/sessions/${visit.params.sid}`)
  // It ended by itself, or another operator was quicker: what was asked for is so.
  if (reply.code === 'A0404') return { to, flash: { say: 'sessionEnded' } }
  return outcomeOf(reply, { to, flash: { say: 'sessionEnded' } }, visit)
}

export const endSessions: Act = async (visit) => {
  const { id, to } = pageOf(visit)
  return outcomeOf(
    await visit.ask('DELETE', `/admin/users/${id}/sessions`),
    { to, flash: { say: 'sessionsEnded' } },
    visit,
  )
}

/** Saves one of the values that a form shows, unless somebody changed it since the form was made. */
const save =
  (what: Editable, say: string, put: (visit: Visit, typed: string) => Promise<ApiReply> | string): Act =>
  async (visit) => {
    const { form, words, ask } = visit
    const { id, to } = pageOf(visit)
    const now = editable[what](dataOf(await ask('GET', `/admin/users/${id}`)) as User)
    if (form.seen !== seenOf(now))
      return { problem: words.user.changedMeanwhile, errors: { [what]: words.user.changedMeanwhile }, status: 409 }
    const reply = await put(visit, form[what] ?? '')
    if (typeof reply === 'string') return { problem: words.fieldsWrong, errors: { [what]: reply } }
    const names = { roles: what, claims: what, external_id: what, body: what }
    const outcome = outcomeOf(reply, { to, flash: { say } }, { words, names })
    // Whatever the API names is this one field.
    const [reason] = 'errors' in outcome ? Object.values(outcome.errors ?? {}) : []
    return reason === undefined ? outcome : { ...outcome, errors: { [what]: reason } }
  }

export const saveRoles = save('roles', 'rolesSaved', ({ ask, params }, typed) =>
  ask('PUT', `/admin/users/${params.id}/roles`, { roles: typed.split(/[\s,，、]+/).filter(Boolean) }),
)

export const saveExternalId = save('external-id', 'externalIdSaved', ({ ask, params }, typed) =>
  ask('PUT', `/admin/users/${params.id}/external-id`, { external_id: typed || null }),
)

export const saveClaims = save('claims', 'claimsSaved', ({ ask, params, words }, typed) => {
  const claims = typed === '' ? null : readObject(typed)
  return claims === undefined ? words.user.claimsNotJson : ask('PUT', `/admin/users/${params.id}/claims`, { claims })
})

function readObject(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined
  } catch {
    return undefined
  }
}

const CONFIRMED = 8

export const eraseView: View = async (visit, { problem, errors, values }) => {
  const { words, ask, params } = visit
  const user = dataOf(await ask('GET', `/admin/users/${params.id}`)) as User
  const told = words.erase
  const body = html`<div class="narrow column"><h1>${told.title}</h1>
${problemOf(problem, words)}
<section class="panel"><div class="head"><h2>${user.nickname ?? words.users.noNickname}</h2>${statusMark(visit, user.status)}</div>
<p class="mono">${user.user_id}</p>
${
  user.status === 'erased'
    ? html`<p>${words.user.erasedText}</p>`
    : html`<p class="say bad">${told.warn}</p>${postForm(
        visit,
        `/users/${user.user_id}/erase`,
        html`${field({
          name: 'confirm',
          label: told.confirm,
          value: values.confirm,
          error: errors.confirm,
          hint: html`${told.confirmHint}<code>${user.user_id.slice(0, -CONFIRMED)}<strong>${user.user_id.slice(-CONFIRMED)}</strong></code>`,
          required: true,
          maxLength: 36,
        })}${proofAgain(visit, errors.operator_token)}<div class="row"><button class="danger">${told.submit}</button><a class="button" href="/console/users/${user.user_id}">${words.cancel}</a></div>`,
      )}`
}</section></div>`
  return { title: told.title, body }
}

export const erase: Act = async (visit) => {
  const { form, words, ask, provedAgain } = visit
  const { id, to } = pageOf(visit)
  const errors: Record<string, string> = {}
  if (form.confirm !== id.slice(-CONFIRMED) && form.confirm !== id) errors.confirm = words.erase.confirmWrong
  if (!provedAgain()) errors.operator_token = words.again.wrong
  if (Object.keys(errors).length > 0) return { problem: words.fieldsWrong, errors }
  return outcomeOf(await ask('DELETE', `/admin/users/${id}`), { to, flash: { say: 'erased' } }, visit)
}
