/** GET /openapi.json and GET /docs: the description, and a page to read it that loads nothing from anywhere else. */
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { GatewayError } from '../errors.ts'
import { type Route, route } from './route.ts'

const page = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Auth gateway API</title>
<link rel="icon" href="docs/favicon-32x32.png">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<main id="api"></main>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
`

const start = `SwaggerUIBundle({ url: 'openapi.json', dom_id: '#api', deepLinking: true, validatorUrl: null })\n`

/** No scripts but our own files; the styles that the page's library sets on elements need the exception. */
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

const javascript = 'text/javascript'
const ofLibrary = async (name: string) =>
  new Uint8Array(
    await readFile(join(dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json')), name)),
  )

const files: Readonly<Record<string, { type: string; read(name: string): Promise<Uint8Array<ArrayBuffer> | string> }>> =
  {
    'start.js': { type: javascript, read: async () => start },
    'swagger-ui-bundle.js': { type: javascript, read: ofLibrary },
    'swagger-ui.css': { type: 'text/css', read: ofLibrary },
    'favicon-32x32.png': { type: 'image/png', read: ofLibrary },
  }

const common = { method: 'get', tag: 'Description', access: 'public', document: true } as const
const nosniff = { 'X-Content-Type-Options': 'nosniff' }

/** `describe` is called once, when somebody asks. */
export function docsRoutes({ describe }: { describe: () => object }): Route[] {
  let description: string | undefined
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
      (_, c) => {
        description ??= JSON.stringify(describe())
        return c.body(description, 200, {
          ...nosniff,
          'Content-Type': 'application/json',
          'Cache-Control': 'no-cache',
        })
      },
    ),
    route(
      { ...common, path: '/docs', summary: 'A page to read it.', replies: { 200: { 'text/html': z.string() } } },
      (_, c) =>
        c.body(page, 200, {
          ...nosniff,
          'Content-Type': 'text/html; charset=utf-8',
          'Content-Security-Policy': policy,
        }),
    ),
    route(
      {
        ...common,
        path: '/docs/:file',
        summary: 'What that page is made of.',
        params: z.object({ file: z.string() }),
        replies: {
          200: { [javascript]: z.string(), 'text/css': z.string(), 'image/png': z.string().meta({ format: 'binary' }) },
        },
        errors: ['A0404'],
      },
      async ({ params: { file: name } }, c) => {
        const file = Object.hasOwn(files, name) ? files[name] : undefined
        if (!file) throw new GatewayError('A0404', { note: 'no such file of the page' })
        const type = file.type.startsWith('text/') ? `${file.type}; charset=utf-8` : file.type
        return c.body(await file.read(name), 200, {
          ...nosniff,
          'Content-Type': type,
          'Cache-Control': 'public, max-age=86400',
        })
      },
    ),
  ]
}
