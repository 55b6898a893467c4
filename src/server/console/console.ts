/** The operators' web console on the internal listener: server-rendered pages in front of the operators' API (optional). */
import type { Audit } from '../audit/audit.ts'
import type { Clock } from '../clock.ts'
import type { Config } from '../config/config.ts'
import type { Sealer } from '../crypto/seal.ts'
import { errorCodes, GatewayError } from '../errors.ts'
import { networkOf } from '../http/address.ts'
import type { AppParts, Pages } from '../http/app.ts'
import { readForm } from '../http/body.ts'
import { actorOf, type GatewayContext, languageOf, operatorOf } from '../http/context.ts'
import type { Route } from '../http/route.ts'
import { createServiceTokens } from '../http/service-tokens.ts'
import { createConsume } from '../rate-limit/limiter.ts'
import type { Cache } from '../storage/cache.ts'
import { createConsoleApi } from './api.ts'
import { readCookie } from './cookies.ts'
import { createGate } from './gate.ts'
import { createOidc } from './oidc.ts'
import { createOperators, type Operator } from './operators.ts'
import { createReplies, type Guest } from './replies.ts'
import { type ConsoleSession, createConsoleSessions, type Flash } from './session.ts'
import { pathBack, signInPage } from './sign-in-page.ts'
import { type Found, find } from './site.ts'
import { type Shown, Unshowable, type Visit } from './visit.ts'

export type ConsoleParts = Pick<AppParts, 'log' | 'metrics' | 'draining'> & {
  config: Pick<Config, 'adminTokens' | 'console' | 'rateLimit'>
  /** Of the internal listener; the console calls those of the operators' API. */
  routes: readonly Route[]
  sealer: Sealer
  cache: Cache
  clock: Clock
  audit: Audit
}

const SIGN_INS = { name: 'console_sign_in', points: 20, seconds: 60 }
/** How long a sign-in by OIDC counts as a fresh one. */
const FRESH_MS = 5 * 60_000
const DRAFT_BYTES = 2000
type Opening = { draft?: Record<string, string> | undefined; fresh?: boolean }

const secrets = ['csrf', 'token', 'operator_token', 'seen']

export function createConsole(parts: ConsoleParts): Pages {
  const { config, sealer, cache, clock, audit } = parts
  const routes = parts.routes.filter(({ path }) => path.startsWith('/admin/'))
  const { origin, oidc: oidcConfig } = config.console
  const gate = createGate({ origin })
  const sessions = createConsoleSessions({ sealer, cache, clock })
  const oidc = oidcConfig && createOidc({ config: oidcConfig, sealer, clock })
  const operators = createOperators({
    tokens: config.adminTokens,
    identify: createServiceTokens({ tokens: config.adminTokens }).identify,
    oidcProof: oidc?.proof,
  })
  const ask = createConsoleApi({ ...parts, routes })
  const consume = config.rateLimit ? createConsume(cache, SIGN_INS) : undefined
  const serves = (path: string) => routes.some((route) => route.path === path)
  const replies = createReplies({ hasDeliveries: serves('/admin/deliveries') })
  const ways = { withTokens: config.adminTokens.length > 0, withOidc: oidc !== undefined }

  /** Of the request, before anybody is known. */
  function guestOf(c: GatewayContext): Guest {
    const url = new URL(c.req.url)
    const secure = gate.isSecure(c)
    const chosen = readCookie(c, 'console-language', secure)
    const language = chosen === 'zh' || chosen === 'en' ? chosen : languageOf(c)
    c.get('request').language = language
    return { c, url, path: url.pathname.replace(/^\/console\/?/, '/').replace(/^\/$/, ''), secure, language }
  }

  async function formOf(guest: Guest): Promise<Record<string, string>> {
    const form = await readForm(guest.c)
    return Object.fromEntries(Object.entries(form).map(([name, value]) => [name, value.trim()]))
  }

  async function signIn(guest: Guest): Promise<Response> {
    const { c, words } = { ...guest, words: replies.wordsOf(guest) }
    const form = await formOf(guest)
    const again = (error: string, status: number) => {
      const page = signInPage({ ...ways, words, returnTo: pathBack(form.return_to), draft: form.draft, error, status })
      return replies.page(guest, page)
    }
    const consumed = await consume?.(networkOf(c.get('request').ip))
    if (consumed?.allowed === false) return again(words.signIn.tooOften, 429)
    if (!form.token) return again(words.signIn.missing, 400)
    const operator = operators.byToken(form.token)
    if (operator === undefined || operator === 'no-scope') {
      const detail = { reason: operator ?? 'unknown_token' }
      audit.record({ kind: 'operator_refused', at: clock.now(), actor: actorOf(c, 'unknown'), detail })
      return operator ? again(words.signIn.noScope, 403) : again(words.signIn.unknown, 401)
    }
    return replies.redirect(guest, pathBack(form.return_to), opened(c, operator, { draft: draftOf(form.draft) }))
  }

  function opened(c: GatewayContext, operator: Operator, { draft, fresh = false }: Opening): string {
    audit.record({
      kind: 'operator_signed_in',
      at: clock.now(),
      actor: operatorOf(c, operator),
      detail: { by: operator.by },
    })
    const session = sessions.open(operator, fresh)
    const flash: Flash | undefined = draft ? { say: 'draft', draft } : fresh ? { say: 'fresh' } : undefined
    return sessions.write(flash ? { ...session, flash } : session, undefined) ?? ''
  }

  async function known(guest: Guest): Promise<ConsoleSession | 'idle' | undefined> {
    const read = await sessions.read(readCookie(guest.c, 'console', guest.secure))
    return typeof read === 'object' ? operators.stillGranted(read) : read
  }

  /** Nobody is signed in: the page to do so, which keeps what was typed. */
  async function askToSignIn(guest: Guest, found: Found, idle: boolean): Promise<Response> {
    const words = replies.wordsOf(guest)
    const { url } = guest
    const form = found.act ? await formOf(guest) : {}
    const typed = JSON.stringify(Object.fromEntries(Object.entries(form).filter(([name]) => !secrets.includes(name))))
    const draft = found.act && Buffer.byteLength(typed) <= DRAFT_BYTES ? typed : undefined
    const returnTo = found.act ? `/console${found.back}` : pathBack(url.pathname + url.search)
    const asked = idle || found.act !== undefined || found.back !== ''
    const notice = idle ? words.signIn.idle : asked ? words.signIn.needed : undefined
    return replies.page(guest, signInPage({ ...ways, words, returnTo, draft, notice, status: asked ? 401 : 200 }))
  }

  async function visit(guest: Guest, found: Found, session: ConsoleSession): Promise<Response> {
    const { c, url, language } = guest
    const words = replies.wordsOf(guest)
    const form = found.act ? await formOf(guest) : {}
    if (found.act && form.csrf !== session.csrf) return replies.refuse(guest, 'origin', 403)
    const mayAct = session.scope === 'admin'
    if (found.forActing && !mayAct && !found.act) return replies.readOnly(guest, session)
    function provedAgain(): boolean {
      if (session.by === 'oidc') return sessions.isFresh(session, FRESH_MS)
      const operator = operators.byToken(form.operator_token ?? '')
      return typeof operator === 'object' && operator.name === session.name
    }
    const asked: Visit = {
      ...{ c, url, language, words, session, mayAct, form, provedAgain, serves },
      query: url.searchParams,
      params: found.params,
      ask: ask(c, session, language),
    }
    if (!found.act) {
      const { flash, ...rest } = session
      const page = await found.view(asked, { errors: {}, values: flash?.draft ?? {} })
      return replies.page(guest, page, { session, cookie: sessions.write(rest, session), flash })
    }
    const outcome = await found.act(asked)
    if ('to' in outcome)
      return replies.redirect(guest, outcome.to, sessions.write({ ...session, flash: outcome.flash }, session))
    const { problem, errors = {}, status = 400 } = outcome
    const values = Object.fromEntries(Object.entries(form).filter(([name]) => !secrets.includes(name)))
    const shown: Shown = { errors, values, ...(problem === undefined ? {} : { problem }) }
    const at = new URL(`/console${found.back}`, url)
    const page = await found.view({ ...asked, url: at, query: at.searchParams }, shown)
    return replies.page(
      { ...guest, url: at },
      { ...page, status },
      { session, cookie: sessions.write(session, session) },
    )
  }

  async function answer(guest: Guest): Promise<Response> {
    const { c, path, url } = guest
    const method = c.req.method === 'HEAD' ? 'GET' : c.req.method
    const words = replies.wordsOf(guest)
    if (method === 'GET') {
      const file = replies.file(guest)
      if (file) return file
      if (path === '/language') return replies.language(guest, pathBack(url.searchParams.get('back') ?? undefined))
      if (oidc && path === '/oidc/start') return replies.leave(guest, await oidc.start(guest, origin ?? ''))
      if (oidc && path === '/oidc/callback') {
        const done = await oidc.finish(guest, origin ?? '')
        if ('operator' in done) return replies.goOn(guest, done.returnTo, opened(c, done.operator, done))
        audit.record({ kind: 'operator_refused', at: clock.now(), actor: actorOf(c, 'unknown'), detail: done })
        const error = done.reason === 'no-role' ? words.signIn.oidcNoRole : words.signIn.oidcFailed
        return replies.page(guest, signInPage({ ...ways, words, returnTo: '/console', error, status: 403 }))
      }
    } else if (method !== 'POST') return replies.refuse(guest, 'missing', 405)
    else if (!gate.knowsOrigin(c)) return replies.refuse(guest, 'origin', 403)

    const session = await known(guest)
    if (path === '/sign-in') {
      if (method === 'POST') return await signIn(guest)
      return typeof session === 'object'
        ? replies.redirect(guest, '/console')
        : replies.page(guest, signInPage({ ...ways, words, returnTo: '/console' }))
    }
    if (path === '/sign-out' && method === 'POST') {
      if (typeof session !== 'object') return replies.redirect(guest, '/console')
      if ((await formOf(guest)).csrf !== session.csrf) return replies.refuse(guest, 'origin', 403)
      await sessions.end(session)
      const page = signInPage({ ...ways, words, returnTo: '/console', notice: words.signIn.signedOut })
      return replies.page(guest, page, { cookie: '' })
    }
    const found = find(method, path)
    if (typeof session !== 'object')
      return await askToSignIn(guest, found ?? { ...nowhere, back: '' }, session === 'idle')
    if (!found) return replies.refuse(guest, 'missing', 404, session)
    try {
      return await visit(guest, found, session)
    } catch (error) {
      if (!(error instanceof Unshowable)) throw error
      const { reason, reply } = error
      if (reason === 'store') return replies.refuse(guest, 'store', reply.status, session)
      return replies.refuse(guest, 'missing', 404, session)
    }
  }

  async function handle(c: GatewayContext): Promise<Response> {
    const guest = guestOf(c)
    if (!gate.knowsHost(c)) return replies.refuse(guest, 'host', 421)
    try {
      return await answer(guest)
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error
      const { status } = errorCodes[error.code]
      return replies.refuse(guest, status >= 500 ? 'store' : 'origin', status)
    }
  }
  return { path: '/console', handle }
}

const nowhere: Omit<Found, 'back'> = {
  view: async () => {
    throw new Error('not reached')
  },
  forActing: false,
  params: {},
}

function draftOf(text: string | undefined): Record<string, string> | undefined {
  if (text === undefined || Buffer.byteLength(text) > DRAFT_BYTES) return undefined
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value !== 'object' || value === null) return undefined
    const entries = Object.entries(value).filter(([, one]) => typeof one === 'string' && one !== '')
    return entries.length > 0 ? (Object.fromEntries(entries) as Record<string, string>) : undefined
  } catch {
    return undefined
  }
}
