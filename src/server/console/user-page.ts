/** One user: identities, sessions, what was decided about them, and the forms to decide. */
import { createHash } from 'node:crypto'
import { type AuditLine, auditTable } from './audit-page.ts'
import { facts, field, postForm, problemOf, table, time } from './form.ts'
import { type Html, html } from './html.ts'
import { statusMark } from './users-page.ts'
import { dataOf, type Shown, type View, type Visit } from './visit.ts'

export type User = {
  user_id: string
  status: 'active' | 'suspended' | 'erased'
  nickname: string | null
  phone: string | null
  email: string | null
  birthday: string | null
  sex: 'male' | 'female' | null
  address: string | null
  signature: string | null
  roles: string[]
  claims: Record<string, unknown> | null
  external_id: string | null
  created_at: string
  last_login_at: string
  suspended_at: string | null
  suspend_reason: string | null
  suspended_by: string | null
  erased_at: string | null
  identities: { platform: string; appid: string; openid: string; unionid: string | null; created_at: string }[]
  sessions: {
    sid: string
    platform: string
    appid: string
    device: string | null
    ip: string | null
    created_at: string
    last_used_at: string
  }[]
}

const EVENTS = 10

/** What may be changed by a form that shows the present value: as text, so that a change in between is noticed. */
export const editable = {
  roles: (user: User) => user.roles.join(' '),
  claims: (user: User) => (user.claims === null ? '' : JSON.stringify(user.claims, undefined, 2)),
  'external-id': (user: User) => user.external_id ?? '',
} satisfies Record<string, (user: User) => string>
export type Editable = keyof typeof editable

export const seenOf = (value: string): string => createHash('sha256').update(value).digest('base64url').slice(0, 16)

export const userView: View = async (visit, shown) => {
  const { words, ask, params, mayAct } = visit
  const id = params.id ?? ''
  const [user, events] = await Promise.all([
    ask('GET', `/admin/users/${id}`).then((reply) => dataOf(reply) as User),
    ask('GET', `/admin/audit?user_id=${id}&limit=${EVENTS}`).then((reply) => dataOf(reply).items as AuditLine[]),
  ])
  const told = words.user
  const title = user.nickname ?? words.users.noNickname
  const body = html`<div class="head"><h1>${title}</h1>${statusMark(visit, user.status)}</div>
<p class="mono">${user.user_id}</p>
${mayAct ? '' : html`<p class="say warn">${words.readOnly}</p>`}
${problemOf(shown.problem, words)}
${standing(visit, user)}
<div class="columns"><div class="column">
<section class="panel"><h2>${told.sessions}</h2>${sessions(visit, user)}</section>
<section class="panel"><h2>${told.identities}</h2>${identities(visit, user)}</section>
</div><div class="column">
<section class="panel"><h2>${told.profile}</h2>${profile(visit, user)}</section>
${user.status === 'erased' ? '' : mayAct ? acts(visit, user, shown) : readings(visit, user)}
</div></div>
<section class="panel"><h2>${told.audit}</h2>${auditTable(visit, events, { ofUser: true })}<p><a href="/console/audit?user_id=${id}">${told.wholeAudit}</a></p></section>`
  return { title, body }
}

function standing(visit: Visit, user: User): Html {
  const { words } = visit
  if (user.status === 'erased')
    return html`<p class="say warn"><span>${words.user.erasedText} ${time(visit, user.erased_at)}</span></p>`
  if (user.status !== 'suspended') return html``
  return html`<section class="say bad" aria-label="${words.user.suspended}"><strong>${words.user.suspended} ${time(visit, user.suspended_at)} · ${words.user.suspendedBy} ${
    user.suspended_by ?? words.none
  }</strong><span>${words.user.reason}: ${user.suspend_reason ?? words.user.noReason}</span></section>`
}

function profile(visit: Visit, user: User): Html {
  const { fields, sexes } = visit.words.user
  const lines: [string, Html | string | null][] = [
    [fields.phone, user.phone],
    [fields.email, user.email],
    [fields.birthday, user.birthday],
    [fields.sex, user.sex && sexes[user.sex]],
    [fields.address, user.address],
    [fields.signature, user.signature],
  ]
  return facts([
    ...lines.filter(([, value]) => value !== null && value !== ''),
    [fields.created_at, time(visit, user.created_at)],
    [fields.last_login_at, time(visit, user.last_login_at)],
  ])
}

function identities(visit: Visit, user: User): Html {
  const { words } = visit
  if (user.identities.length === 0) return html`<p>${words.none}</p>`
  return table(
    words.user.identities,
    [words.user.platform, 'openid, unionid', words.user.since],
    user.identities.map((one) => [
      html`${one.platform}<br><span class="mono faint">${one.appid}</span>`,
      html`<span class="mono">${one.openid}</span>${one.unionid === null ? '' : html`<br><span class="mono faint">${one.unionid}</span>`}`,
      time(visit, one.created_at),
    ]),
  )
}

function sessions(visit: Visit, user: User): Html {
  const { words, mayAct } = visit
  const told = words.user
  if (user.sessions.length === 0) return html`<p>${told.noSessions}</p>`
  const base = `/users/${user.user_id}/sessions`
  const rows = user.sessions.map((one) => {
    const device = one.device ?? told.unknownDevice
    const end = html`<button class="quiet" aria-label="${told.endOne}${device} ${one.ip ?? ''}">${told.end}</button>`
    return [
      html`${device}<br><span class="small faint">${one.platform} · <span class="mono">${one.appid}</span></span><br><a class="mono" href="/console/audit?session_id=${one.sid}" aria-label="${words.audit.title}: ${device} ${one.sid}">${one.sid.slice(-12)}</a>`,
      one.ip ? html`<span class="whole">${one.ip}</span>` : html`<span class="faint">${words.none}</span>`,
      time(visit, one.created_at),
      time(visit, one.last_used_at),
      ...(mayAct ? [postForm(visit, `${base}/${one.sid}/end`, end, 'plain')] : []),
    ]
  })
  const heads = [told.device, told.ip, told.since, told.lastUsed, ...(mayAct ? [''] : [])]
  const all = html`<p class="small">${told.endAllSure}</p><button class="danger">${told.endAllDo}</button>`
  return html`${table(told.sessions, heads, rows)}${
    mayAct ? html`<details><summary>${told.endAll}</summary>${postForm(visit, `${base}/end`, all)}</details>` : ''
  }`
}

/** What an operator sees who cannot act. */
const readings = ({ words }: Visit, user: User): Html =>
  html`<section class="panel">${facts([
    [words.user.roles, editable.roles(user) || words.none],
    [words.user.externalId, user.external_id ?? words.none],
    [words.user.claims, user.claims === null ? words.none : html`<pre>${editable.claims(user)}</pre>`],
  ])}</section>`

function acts(visit: Visit, user: User, shown: Shown): Html {
  const { words } = visit
  const told = words.user
  const base = `/users/${user.user_id}`
  const { errors, values } = shown
  const reason = (label: string, hint: string, required: boolean) =>
    field({
      name: 'reason',
      label,
      kind: 'area',
      value: values.reason,
      error: errors.reason,
      hint,
      required,
      maxLength: 200,
    })
  const status =
    user.status === 'active'
      ? html`<h2>${told.suspend}</h2>${postForm(
          visit,
          `${base}/suspend`,
          html`<p class="small">${told.suspendText}</p>${reason(told.reason, told.reasonHint, true)}<button class="danger">${told.suspend}</button>`,
        )}`
      : html`<h2>${told.reinstate}</h2>${postForm(
          visit,
          `${base}/reinstate`,
          html`<p class="small">${told.reinstateText}</p>${reason(told.reinstateReason, '', false)}<button>${told.reinstate}</button>`,
        )}`
  return html`<section class="panel">${status}</section>
<section class="panel">
${edit(visit, user, shown, { what: 'roles', label: told.roles, hint: told.rolesHint })}
${edit(visit, user, shown, { what: 'external-id', label: told.externalId, hint: told.externalIdHint })}
${edit(visit, user, shown, { what: 'claims', label: told.claims, hint: told.claimsHint, kind: 'area' })}
</section>
<section class="panel"><h2>${told.danger}</h2><p class="small">${told.dangerText}</p><p><a class="button danger" href="/console${base}/erase">${told.erase}</a></p></section>`
}

type EditParts = { what: Editable; label: string; hint: string; kind?: 'area' }

/** The value that it was made from is remembered: another operator's change in between is shown, not overwritten. */
function edit(
  visit: Visit,
  user: User,
  { errors, values }: Shown,
  { what, label, hint, kind = undefined }: EditParts,
): Html {
  const now = editable[what](user)
  const typed = values[what]
  const changed = typed !== undefined && typed !== now
  const present = html`${hint}${changed ? html` <span class="mono">${visit.words.user.nowIs}${now || visit.words.none}</span>` : ''}`
  return postForm(
    visit,
    `/users/${user.user_id}/${what}`,
    html`<input type="hidden" name="seen" value="${seenOf(now)}">${field({
      name: what,
      label,
      value: typed ?? now,
      error: errors[what],
      hint: present,
      maxLength: 2000,
      ...(kind ? { kind } : {}),
    })}<button aria-label="${visit.words.user.save}: ${label}">${visit.words.user.save}</button>`,
  )
}
