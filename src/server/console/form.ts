/** Parts of forms and pages: a field with its label, hint and error; a form with its CSRF token; times, marks and tables. */
import { type Html, html } from './html.ts'
import type { Visit } from './visit.ts'

export type FieldParts = {
  name: string
  label: string
  /** Where a page has several fields of one name. */
  id?: string
  value?: string | undefined
  error?: string | undefined
  hint?: Html | string | undefined
  kind?: 'text' | 'password' | 'area' | 'number' | 'datetime-local'
  wide?: boolean
  required?: boolean
  maxLength?: number
}

export function field(parts: FieldParts): Html {
  const { name, label, id = name, value = '', error, hint, kind = 'text', wide, required, maxLength } = parts
  const told = [error && `${id}-error`, hint && `${id}-hint`].filter(Boolean).join(' ')
  const attributes = html` id="${id}" name="${name}"${required ? html` required` : ''}${
    maxLength === undefined ? '' : html` maxlength="${maxLength}"`
  }${told ? html` aria-describedby="${told}"` : ''}${error ? html` aria-invalid="true"` : ''}`
  const control =
    kind === 'area'
      ? html`<textarea${attributes} rows="3">${value}</textarea>`
      : kind === 'password'
        ? html`<input type="password" autocomplete="off"${attributes}>`
        : html`<input type="${kind === 'number' ? 'text' : kind}"${kind === 'number' ? html` inputmode="numeric"` : ''}${
            kind === 'datetime-local' ? html` step="1"` : ''
          } autocomplete="off" spellcheck="false" value="${value}"${attributes}>`
  return html`<div class="${wide ? 'field wide' : 'field'}"><label for="${id}">${label}</label>${control}${
    error ? html`<p class="error" id="${id}-error">${error}</p>` : ''
  }${hint ? html`<p class="hint" id="${id}-hint">${hint}</p>` : ''}</div>`
}

export function choice(parts: {
  name: string
  label: string
  value: string | undefined
  options: readonly (readonly [value: string, text: string])[]
  error?: string | undefined
}): Html {
  const { name, label, value, options, error } = parts
  return html`<div class="field"><label for="${name}">${label}</label><select id="${name}" name="${name}"${
    error ? html` aria-invalid="true" aria-describedby="${name}-error"` : ''
  }>${options.map(
    ([one, text]) => html`<option value="${one}"${one === (value ?? '') ? html` selected` : ''}>${text}</option>`,
  )}</select>${error ? html`<p class="error" id="${name}-error">${error}</p>` : ''}</div>`
}

/** A form that changes something. */
export const postForm = ({ session }: Visit, action: string, body: Html, kind = ''): Html =>
  html`<form method="post" action="/console${action}" class="${kind}"><input type="hidden" name="csrf" value="${session.csrf}">${body}</form>`

/** The question for the token, or for a fresh sign-in, before an act that cannot be taken back. */
export function proofAgain({ session, words, url, provedAgain }: Visit, error: string | undefined): Html {
  const { again } = words
  if (session.by === 'token')
    return field({
      name: 'operator_token',
      label: again.token,
      kind: 'password',
      required: true,
      error,
      hint: again.tokenHint,
    })
  if (provedAgain()) return html`<p class="say">${again.oidcFresh}</p>`
  const back = encodeURIComponent(url.pathname)
  return html`<p class="say warn"><span>${again.oidc}</span></p><p><a class="button" href="/console/oidc/start?fresh=1&return_to=${back}">${again.oidcDo}</a></p>`
}

/** In the zone of the page's language, which the foot of the page names. */
export function time({ words }: Pick<Visit, 'words'>, instant: string | null): Html {
  if (instant === null) return html`<span class="faint">${words.none}</span>`
  return html`<time datetime="${instant}">${localTime(instant, words.zone.offsetMinutes).replace('T', ' ')}</time>`
}

const localTime = (instant: string, offsetMinutes: number): string =>
  new Date(Date.parse(instant) + offsetMinutes * 60_000).toISOString().slice(0, 19)

/** What a datetime-local field holds as an instant; undefined where it is none. */
export function instantOf(text: string, offsetMinutes: number): string | undefined {
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?$/.test(text)) return undefined
  const at = Date.parse(`${text}Z`) - offsetMinutes * 60_000
  return Number.isNaN(at) ? undefined : new Date(at).toISOString()
}

export const mark = (text: string, kind: 'good' | 'bad' | 'warn' | '' = ''): Html =>
  html`<span class="mark ${kind}">${text}</span>`

export type Cell = Html | string | null

/** On a narrow screen each row is a card, and each cell says what it is. */
export function table(caption: string, heads: readonly string[], rows: readonly (readonly Cell[])[]): Html {
  // A head without words heads nothing.
  return html`<table aria-label="${caption}"><thead><tr>${heads.map((head) =>
    head === '' ? html`<td></td>` : html`<th scope="col">${head}</th>`,
  )}</tr></thead><tbody>${rows.map(
    (row) =>
      html`<tr>${row.map((cell, index) => {
        const head = heads[index] ?? ''
        return html`<td data-label="${head}"${head === '' ? html` class="act"` : ''}><span>${cell ?? ''}</span></td>`
      })}</tr>`,
  )}</tbody></table>`
}

export const facts = (lines: readonly (readonly [name: string, value: Cell])[]): Html =>
  html`<dl class="facts">${lines.map(([name, value]) => html`<dt>${name}</dt><dd>${value ?? ''}</dd>`)}</dl>`

/** Above a form that is shown again. */
export const problemOf = (problem: string | undefined, words: Visit['words']): Html =>
  problem === undefined
    ? html``
    : html`<div class="say bad" role="alert"><strong>${words.problem}</strong><span>${problem}</span></div>`
