/** The page that everybody may see: sign in, and go on where one was. */
import { field, problemOf } from './form.ts'
import { html } from './html.ts'
import type { Page } from './visit.ts'
import type { ConsoleWords } from './words.zh.ts'

export type SignInParts = {
  words: ConsoleWords
  /** Where to go on, and what was typed there before the session ended, as JSON. */
  returnTo: string
  draft?: string | undefined
  /** Why one is here. */
  notice?: string | undefined
  error?: string | undefined
  withTokens: boolean
  withOidc: boolean
  status?: number
}

export function signInPage({ words, returnTo, draft, notice, error, withTokens, withOidc, status }: SignInParts): Page {
  const told = words.signIn
  const kept = html`<input type="hidden" name="return_to" value="${returnTo}">${
    draft === undefined ? '' : html`<input type="hidden" name="draft" value="${draft}">`
  }`
  const byToken = html`<form method="post" action="/console/sign-in">${kept}${field({
    name: 'token',
    label: told.token,
    kind: 'password',
    required: true,
    error,
    hint: told.tokenHint,
  })}<button class="primary">${told.submit}</button></form>`
  const byOidc = html`<p><a class="button primary" href="/console/oidc/start?return_to=${encodeURIComponent(returnTo)}">${told.oidc}</a></p>`
  return {
    title: told.title,
    status: status ?? 200,
    body: html`<div class="narrow column"><h1>${words.product}</h1>
${notice ? html`<p class="say warn" role="status">${notice}</p>` : ''}
${error ? problemOf(error, words) : ''}
<section class="panel"><h2>${told.title}</h2>${withOidc ? byOidc : ''}${
      withTokens ? byToken : withOidc ? '' : html`<p>${told.noTokens}</p>`
    }</section></div>`,
  }
}

/** A path of the console, for a redirect: never another site's. */
export const pathBack = (given: string | undefined): string =>
  given !== undefined &&
  /^\/console(?:[/?][\w\-./?=&%:+~]*)?$/.test(given) &&
  !given.includes('//') &&
  given.length < 1000
    ? given
    : '/console'
