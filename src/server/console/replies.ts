/** The console's replies: pages in their frame, files, redirects and refusals, each with the headers that keep it to itself. */
import { type GatewayContext, rawReply } from '../http/context.ts'
import { flowCookie, languageCookie, sessionCookie } from './cookies.ts'
import { html } from './html.ts'
import { frame } from './layout.ts'
import type { ConsoleSession, Flash } from './session.ts'
import { style } from './style.ts'
import type { Page } from './visit.ts'
import { en } from './words.en.ts'
import { type ConsoleWords, zh } from './words.zh.ts'

/** A request of the console, before it is known whose. */
export type Guest = {
  c: GatewayContext
  url: URL
  /** Below /console; the first page is ''. */
  path: string
  /** Whether the browser is on https, as far as configuration tells. */
  secure: boolean
  language: 'zh' | 'en'
}

/** No script at all, nothing from elsewhere, forms to ourselves, no frame around us. */
const POLICY =
  "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

const headers = {
  'Cache-Control': 'no-store',
  'Content-Security-Policy': POLICY,
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'X-Frame-Options': 'DENY',
  // With no-referrer a browser would send `Origin: null` with our own forms.
  'Referrer-Policy': 'same-origin',
}

const icon = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect width="16" height="16" rx="4" fill="#0b6b4f"/><path d="M5 8V6a3 3 0 0 1 6 0v2m-7 0h8v5H4z" fill="none" stroke="#fff" stroke-width="1.5"/></svg>`

const files: Readonly<Record<string, { type: string; text: string }>> = {
  '/style.css': { type: 'text/css; charset=UTF-8', text: style },
  '/icon.svg': { type: 'image/svg+xml', text: icon },
}

type Extra = { session?: ConsoleSession; cookie?: string | undefined; flash?: Flash | undefined; goOn?: string }

export function createReplies({ hasDeliveries }: { hasDeliveries: boolean }) {
  const wordsOf = ({ language }: Guest): ConsoleWords => (language === 'zh' ? zh : en)

  function withCookie(reply: Response, { secure }: Guest, cookie: string | undefined): Response {
    if (cookie !== undefined) reply.headers.append('Set-Cookie', sessionCookie(cookie, secure))
    return reply
  }

  function page(guest: Guest, shown: Page, { session, cookie, flash, goOn }: Extra = {}): Response {
    const { c, url } = guest
    const text = frame({
      page: shown,
      words: wordsOf(guest),
      at: url.pathname + url.search,
      ...{ session, flash, hasDeliveries },
      ...(goOn === undefined ? {} : { goOn }),
    })
    const type = { 'Content-Type': 'text/html; charset=UTF-8' }
    const reply = rawReply(c, String(text), { status: shown.status ?? 200, headers: { ...headers, ...type } })
    return withCookie(reply, guest, cookie)
  }

  function redirect(guest: Guest, to: string, cookie?: string): Response {
    return withCookie(rawReply(guest.c, null, { status: 303, headers: { ...headers, Location: to } }), guest, cookie)
  }

  return {
    wordsOf,
    page,
    redirect,

    file({ c, path }: Guest): Response | undefined {
      const file = Object.hasOwn(files, path) ? files[path] : undefined
      if (!file) return undefined
      const kept = { 'Cache-Control': 'public, max-age=300', 'Content-Type': file.type }
      return rawReply(c, file.text, { headers: { ...headers, ...kept } })
    },

    /** The other of the two. */
    language(guest: Guest, back: string): Response {
      const reply = redirect(guest, back)
      reply.headers.append('Set-Cookie', languageCookie(guest.language === 'zh' ? 'en' : 'zh', guest.secure))
      return reply
    },

    /** To the OIDC provider. */
    leave(guest: Guest, { to, cookie }: { to: string; cookie: string }): Response {
      const reply = redirect(guest, to)
      reply.headers.append('Set-Cookie', cookie)
      return reply
    },

    /** By a page of our own: a browser that comes from another site sends no strict cookie after a redirect. */
    goOn(guest: Guest, to: string, cookie: string): Response {
      const words = wordsOf(guest)
      const body = html`<div class="narrow column"><p><a class="button primary" href="${to}">${words.signIn.continue}</a></p></div>`
      const reply = page(guest, { title: words.signIn.title, body }, { cookie, goOn: to })
      reply.headers.append('Set-Cookie', flowCookie('', guest.secure))
      return reply
    },

    readOnly(guest: Guest, session: ConsoleSession): Response {
      const words = wordsOf(guest)
      const body = html`<h1>${words.problem}</h1><p class="say warn">${words.readOnly}</p>`
      return page(guest, { title: words.problem, body, status: 403 }, { session })
    },

    refuse(
      guest: Guest,
      why: 'host' | 'origin' | 'missing' | 'store',
      status: number,
      session?: ConsoleSession,
    ): Response {
      const { refused, product } = wordsOf(guest)
      const body = html`<div class="narrow column"><h1>${refused[why]}</h1><p class="say ${why === 'missing' ? 'warn' : 'bad'}">${
        refused[`${why}Text`]
      }</p>${why === 'host' ? '' : html`<p><a href="/console">${product}</a></p>`}</div>`
      return page(guest, { title: refused[why], body, status }, session ? { session } : {})
    },
  }
}
