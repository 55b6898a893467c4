/** The status lists and the list of them, served from memory (draft-ietf-oauth-status-list sections 8 and 9). */
import { Hono } from 'hono'
import { z } from 'zod'
import type { StatusLists } from './publisher.ts'
import { listUri } from './status-list.ts'

export type StatusListRoutesParts = { lists: StatusLists; issuer: string; ttlSeconds: number }

export function statusListRoutes({ lists, issuer, ttlSeconds }: StatusListRoutesParts): Hono {
  const app = new Hono()
  const headers = {
    'Cache-Control': `public, max-age=${ttlSeconds}`,
    'Access-Control-Allow-Origin': '*',
    'Access-Control-Expose-Headers': 'ETag',
    'X-Content-Type-Options': 'nosniff',
  }

  app.use('/status-lists/*', async (c, next) => {
    if (lists.ready()) return await next()
    return c.json({ error: 'temporarily_unavailable' }, 503, { 'Retry-After': '2', 'Cache-Control': 'no-store' })
  })

  app.get('/status-lists', (c) =>
    c.json({ status_lists: lists.numbers().map((list) => listUri(issuer, list)) }, 200, headers),
  )

  app.get('/status-lists/:id', (c) => {
    // Section 8.4: the past of a list is not kept, and says so.
    if (c.req.query('time') !== undefined) return c.json({ error: 'not_implemented' }, 501, headers)
    const id = c.req.param('id')
    const list = /^(0|[1-9]\d{0,9})$/.test(id) ? lists.find(Number(id)) : undefined
    // A list that is not there yet may be there soon.
    if (!list) return c.json({ error: 'not_found' }, 404, { ...headers, 'Cache-Control': 'no-cache' })
    const { jwt, gzipped, etag } = list
    const listHeaders = { ...headers, ETag: etag, Vary: 'Accept-Encoding' }
    if (c.req.header('if-none-match')?.includes(etag.slice(2)))
      return new Response(null, { status: 304, headers: listHeaders })
    const typed = { ...listHeaders, 'Content-Type': 'application/statuslist+jwt' }
    return acceptsGzip(c.req.header('accept-encoding'))
      ? new Response(new Uint8Array(gzipped), { headers: { ...typed, 'Content-Encoding': 'gzip' } })
      : new Response(jwt, { headers: typed })
  })
  return app
}

const notYet = { 503: 'The lists are not loaded yet; Retry-After' }

/** The same for the API description. */
export const statusListDocuments = [
  {
    method: 'get',
    path: '/status-lists',
    tag: 'Documents',
    summary: 'The URLs of all status lists.',
    access: 'public',
    contentType: 'application/json',
    reply: z.object({ status_lists: z.array(z.string()) }),
    alsoAnswers: notYet,
  },
  {
    method: 'get',
    path: '/status-lists/:id',
    tag: 'Documents',
    summary: 'A Token Status List: which sessions have ended, as a signed JWT.',
    access: 'public',
    params: z.object({ id: z.string().describe('The number of the list.') }),
    query: z.object({ time: z.string().optional().describe('Not kept: with it the answer is 501.') }),
    contentType: 'application/statuslist+jwt',
    reply: z.string(),
    alsoAnswers: {
      304: 'Unchanged since the ETag of If-None-Match',
      404: 'No such list, or none any more',
      501: 'The past of a list is not kept',
      ...notYet,
    },
  },
] as const

const acceptsGzip = (acceptEncoding = ''): boolean => /\bgzip\b(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))/i.test(acceptEncoding)
