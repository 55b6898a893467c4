/** GET /openapi.json and GET /docs: the description, and a page to read it and to try it that loads nothing from anywhere else. */
import { z } from 'zod'
import { GatewayError } from '../errors.ts'
import type { DocsParts } from './docs-page.ts'
import { type Route, route } from './route.ts'

/** No script but our own files, no connection but to the two listeners. The library sets styles on elements, which needs the exception. */
const policyFor = (issuer: string) =>
  `default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; ` +
  `connect-src 'self' ${new URL(issuer).origin}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`

const common = { method: 'get', tag: 'Description', access: 'public', document: true } as const
const nosniff = { 'X-Content-Type-Options': 'nosniff' }

/** `describe` is called, and the page loaded, when somebody asks. */
export function docsRoutes(docs: DocsParts): Route[] {
  const { describe, issuer } = docs
  const policy = policyFor(issuer)
  const loadPage = () => import('./docs-page.ts')
  return [
    route(
      {
        ...common,
        path: '/openapi.json',
        summary: 'This description.',
        replies: {
          200: {
            'application/json': z.looseObject({
              openapi: z.string(),
              info: z.looseObject({}),
              paths: z.looseObject({}),
            }),
          },
        },
      },
      async (_, c) =>
        c.body(JSON.stringify(await describe()), 200, {
          ...nosniff,
          'Content-Type': 'application/json',
          'Cache-Control': 'no-cache',
        }),
    ),
    route(
      {
        ...common,
        path: '/docs',
        summary: 'A page to read it, and to try it.',
        replies: { 200: { 'text/html': z.string() } },
      },
      async (_, c) =>
        c.body((await loadPage()).page, 200, {
          ...nosniff,
          'Content-Type': 'text/html; charset=utf-8',
          'Content-Security-Policy': policy,
          'Referrer-Policy': 'no-referrer',
        }),
    ),
    route(
      {
        ...common,
        path: '/docs/:file',
        summary: 'What that page is made of.',
        params: z.object({ file: z.string() }),
        replies: {
          200: {
            'text/javascript': z.string(),
            'text/css': z.string(),
            'image/svg+xml': z.string(),
            'application/json': z.looseObject({}),
          },
        },
        errors: ['A0404'],
      },
      async ({ params: { file: name } }, c) => {
        const files = (await loadPage()).filesOf(docs)
        const file = Object.hasOwn(files, name) ? files[name] : undefined
        if (!file) throw new GatewayError('A0404', { note: 'no such file of the page' })
        const type = file.type.startsWith('text/') ? `${file.type}; charset=utf-8` : file.type
        return c.body(await file.read(), 200, {
          ...nosniff,
          'Content-Type': type,
          // The script is the only large one, and changes with a release alone.
          'Cache-Control': name === 'scalar.js' ? 'public, max-age=86400' : 'no-cache',
        })
      },
    ),
  ]
}
