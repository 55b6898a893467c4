/** The frame around every page: navigation, who is signed in, what was just done; no script and nothing from elsewhere. */
import { type Html, html } from './html.ts'
import type { ConsoleSession, Flash } from './session.ts'
import type { Page } from './visit.ts'
import type { ConsoleWords } from './words.zh.ts'

export type FrameParts = {
  page: Page
  words: ConsoleWords
  /** Where the browser is, for the switch of the language. */
  at: string
  session?: ConsoleSession | undefined
  flash?: Flash | undefined
  hasDeliveries: boolean
  /** After how many seconds, and where, the browser goes on by itself. */
  goOn?: string
}

export function frame({ page, words, at, session, flash, hasDeliveries, goOn }: FrameParts): Html {
  return html`<!doctype html>
<html lang="${words.language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
${goOn === undefined ? '' : html`<meta http-equiv="refresh" content="0; url=${goOn}">`}
<title>${page.title} · ${words.product}</title>
<link rel="icon" href="/console/icon.svg">
<link rel="stylesheet" href="/console/style.css">
</head>
<body>
<a class="skip" href="#main">${words.skip}</a>
<header><div>
<a class="product" href="/console">${words.product}</a>
${session ? navigation(words, at, hasDeliveries) : ''}
<div class="who">
<a href="/console/language?back=${encodeURIComponent(at)}" lang="${words.language === 'en' ? 'zh-CN' : 'en'}">${words.otherLanguage}</a>
${session ? operator(session, words) : ''}
</div>
</div></header>
<main id="main" tabindex="-1">
${flash ? flashOf(flash, words) : ''}
${page.body}
</main>
${session ? html`<footer>${words.zone.name}${words.zone.offsetMinutes ? ' (UTC+8)' : ''}</footer>` : ''}
</body>
</html>
`
}

function navigation(words: ConsoleWords, at: string, hasDeliveries: boolean): Html {
  const [path = ''] = at.split('?')
  const items: [string, string, boolean][] = [
    ['/console', words.nav.users, path === '/console' || path.startsWith('/console/users')],
    ['/console/audit', words.nav.audit, path.startsWith('/console/audit')],
    ['/console/keys', words.nav.keys, path.startsWith('/console/keys')],
    ...(hasDeliveries
      ? [
          ['/console/deliveries', words.nav.deliveries, path.startsWith('/console/deliveries')] satisfies [
            string,
            string,
            boolean,
          ],
        ]
      : []),
    ['/console/health', words.nav.health, path.startsWith('/console/health')],
  ]
  return html`<nav aria-label="${words.nav.label}"><ul>${items.map(
    ([href, text, here]) => html`<li><a href="${href}"${here ? html` aria-current="page"` : ''}>${text}</a></li>`,
  )}</ul></nav>`
}

const operator = ({ name, scope, csrf }: ConsoleSession, words: ConsoleWords): Html =>
  html`<span><strong>${name}</strong> <span class="mark">${words.scopes[scope]}</span></span>
<form class="plain" method="post" action="/console/sign-out"><input type="hidden" name="csrf" value="${csrf}"><button class="quiet">${words.signOut}</button></form>`

function flashOf({ say, lines = [] }: Flash, words: ConsoleWords): Html {
  const text = say === undefined ? undefined : words.done[say]
  if (text === undefined) return html``
  const kind = lines.length > 0 || /Before$|^draft$/.test(say ?? '') ? 'warn' : ''
  return html`<div class="say ${kind}" role="status"><strong>${text}</strong>${
    lines.length > 0 ? html`<ul>${lines.map((line) => html`<li>${line}</li>`)}</ul>` : ''
  }</div>`
}
