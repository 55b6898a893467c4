/**
 * The playground of `npm run dev`: a page that runs the real SDK on a simulated `wx`, beside what the gateway, WeChat and
 * a verifier make of it. It stands in front of the public app, so that everything the page asks for has one origin.
 */
import { readFile } from 'node:fs/promises'
import { Hono } from 'hono'
import { csrf } from 'hono/csrf'
import { z } from 'zod'
import { createVerifier, type Verifier, VerifierError } from '../../sdk/verifier/verifier.ts'
import type { SwitchableCache } from '../switchable-cache.ts'
import { bundleMiniprogramSdk, bundleWebSdk } from '../tools/build-miniprogram.ts'
import type { Journal } from './journal.ts'
import { createServices, type Sign } from './services.ts'

type Served = { fetch(request: Request, env: object): Response | Promise<Response> }

export type PlaygroundParts = {
  publicApp: Served
  simulator: Served
  cache: SwitchableCache
  journal: Journal
  issuer: string
  audience: readonly string[]
  appid: string
  statusListTtlSeconds: number
  sign: Sign
  /** The receipt of a user's erasure, which whoever closes an account in WeChat's settings is not given. */
  receiptOf(userId: string): Promise<string | undefined>
  /** Where the verifier reaches this very server. */
  baseUrl: string
}

const TYPES: Record<string, string> = {
  'index.html': 'text/html; charset=utf-8',
  'h5.html': 'text/html; charset=utf-8',
  'pc.html': 'text/html; charset=utf-8',
  'playground.css': 'text/css; charset=utf-8',
  'icon.svg': 'image/svg+xml',
}
const SCRIPT = /^[a-z0-9-]+\.js$/

/** Nothing from elsewhere, nothing inline, and no way to make markup out of text. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; " +
  "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

export function createPlayground(parts: PlaygroundParts): { app: Hono; ready(): Promise<void>; close(): void } {
  const { publicApp, simulator, cache, journal, issuer, audience, appid, statusListTtlSeconds, baseUrl, sign } = parts
  const verifier = createVerifier({ issuer, audience, baseUrl, fetch: journal.recordFetch(globalThis.fetch) })
  const { business, services, ...behind } = createServices({ verifier, issuer, baseUrl, appid, sign })
  let sdk: Promise<string> | undefined
  let webSdk: Promise<string> | undefined

  const app = new Hono()
  app.get('/', (c) => c.redirect('/playground/'))
  app.get('/playground', (c) => c.redirect('/playground/'))
  // The page's switches are no business of other sites that happen to be open in the same browser.
  for (const path of ['/playground/*', '/simulator/*']) app.use(path, csrf())

  app.get('/playground/facts', (c) => c.json({ appid, issuer, audience, statusListTtlSeconds }))
  app.get('/playground/state', async (c) => {
    // A page that has just come in is told where the journal stands, not what happened before it came.
    const after = Number(c.req.query('after') ?? journal.newest())
    const token = /^Bearer (.+)$/.exec(c.req.header('authorization') ?? '')?.[1]
    return c.json(
      {
        verdict: token === undefined ? null : await verdictOf(verifier, token),
        verifier: verifier.state(),
        redisDown: cache.isDown(),
        journal: journal.since(after),
        sequence: journal.newest(),
      },
      200,
      { 'Cache-Control': 'no-store' },
    )
  })
  app.put('/playground/redis', async (c) => {
    const body = z.strictObject({ down: z.boolean() }).safeParse(await c.req.json().catch(() => undefined))
    if (!body.success) return c.json({ error: z.prettifyError(body.error) }, 400)
    cache.setDown(body.data.down)
    return c.json(body.data)
  })
  app.get('/playground/receipt', async (c) => {
    const user = z.guid().safeParse(c.req.query('user'))
    const receipt = user.success ? await parts.receiptOf(user.data) : undefined
    return receipt === undefined ? c.json({ error: 'no such erasure' }, 404) : c.json({ receipt_id: receipt })
  })
  app.route('/playground/business', business)
  app.route('/playground/services', services)
  app.get('/playground/sdk.js', async () => {
    sdk ??= bundleMiniprogramSdk('esm', false)
    return serve(await sdk, 'text/javascript; charset=utf-8')
  })
  app.get('/playground/web-sdk.js', async () => {
    webSdk ??= bundleWebSdk()
    return serve(await webSdk, 'text/javascript; charset=utf-8')
  })
  app.get('/playground/:file{.*}', async (c) => {
    const file = c.req.param('file') || 'index.html'
    const type = SCRIPT.test(file) ? 'text/javascript; charset=utf-8' : TYPES[file]
    const text = type && (await readFile(new URL(`web/${file}`, import.meta.url), 'utf8').catch(() => undefined))
    return type && text !== undefined ? serve(text, type) : c.notFound()
  })
  app.all('/simulator/*', (c) => simulator.fetch(c.req.raw, c.env as object))
  app.all('*', (c) => publicApp.fetch(c.req.raw, c.env as object))

  function close(): void {
    verifier.close()
    behind.close()
  }
  return { app, ready: () => verifier.ready(), close }
}

async function verdictOf(verifier: Verifier, token: string): Promise<{ accepted: boolean; code: string | null }> {
  try {
    await verifier.verify(token)
    return { accepted: true, code: null }
  } catch (error) {
    if (error instanceof VerifierError) return { accepted: false, code: error.code }
    throw error
  }
}

function serve(text: string, type: string): Response {
  return new Response(text, {
    headers: {
      'Content-Type': type,
      'Content-Security-Policy': POLICY,
      'X-Content-Type-Options': 'nosniff',
      'Referrer-Policy': 'no-referrer',
      'Cache-Control': 'no-cache',
    },
  })
}
