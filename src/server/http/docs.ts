/** GET /openapi.json and GET /docs: the description, and a page to read it that loads nothing from anywhere else. */
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { Hono } from 'hono'
import { z } from 'zod'
import type { DocumentDescription } from './openapi.ts'

const types: Record<string, string> = {
  'swagger-ui-bundle.js': 'text/javascript; charset=utf-8',
  'swagger-ui.css': 'text/css; charset=utf-8',
  'favicon-32x32.png': 'image/png',
}

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

export function docsRoutes({ describe }: { describe: () => object }): Hono {
  const app = new Hono()
  let description: string | undefined
  let folder: string | undefined

  app.get('/openapi.json', (c) => {
    description ??= JSON.stringify(describe())
    return c.body(description, 200, { 'Content-Type': 'application/json', 'Cache-Control': 'no-cache' })
  })
  app.get('/docs', (c) =>
    c.body(page, 200, {
      'Content-Type': 'text/html; charset=utf-8',
      'Content-Security-Policy': policy,
      'X-Content-Type-Options': 'nosniff',
    }),
  )
  app.get('/docs/start.js', (c) => c.body(start, 200, { 'Content-Type': 'text/javascript; charset=utf-8' }))
  app.get('/docs/:file', async (c) => {
    const file = c.req.param('file')
    const type = types[file]
    if (type === undefined) return c.notFound()
    folder ??= dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'))
    return c.body(new Uint8Array(await readFile(join(folder, file))), 200, {
      'Content-Type': type,
      'Cache-Control': 'public, max-age=86400',
    })
  })
  return app
}

/** The same for the API description. */
export const docsDocuments: readonly DocumentDescription[] = [
  {
    method: 'get',
    path: '/openapi.json',
    tag: 'Description',
    summary: 'This description.',
    access: 'public',
    contentType: 'application/json',
    reply: z.looseObject({ openapi: z.string(), info: z.looseObject({}), paths: z.looseObject({}) }),
  },
  {
    method: 'get',
    path: '/docs',
    tag: 'Description',
    summary: 'A page to read it.',
    access: 'public',
    contentType: 'text/html',
    reply: z.string(),
  },
]
