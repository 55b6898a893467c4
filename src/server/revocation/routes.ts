/** The status lists and the list of them, served from memory (draft-ietf-oauth-status-list sections 8 and 9). */
import { z } from 'zod'
import type { GatewayContext } from '../http/context.ts'
import { notModified } from '../http/not-modified.ts'
import { type Route, route } from '../http/route.ts'
import type { StatusLists } from './publisher.ts'
import { listUri } from './status-list.ts'

export type StatusListRoutesParts = { lists: StatusLists; issuer: string; ttlSeconds: number }

export function statusListRoutes({ lists, issuer, ttlSeconds }: StatusListRoutesParts): Route[] {
  const headers = {
    'Cache-Control': `public, max-age=${ttlSeconds}`,
    'Access-Control-Allow-Origin': '*',
    'Access-Control-Expose-Headers': 'ETag',
    'X-Content-Type-Options': 'nosniff',
  }
  const notYet = (c: GatewayContext) =>
    c.json({ error: 'temporarily_unavailable' }, 503, { 'Retry-After': '2', 'Cache-Control': 'no-store' })

  const common = { method: 'get', tag: 'Documents', access: 'public', document: true } as const
  const loading = { 503: 'The lists are not loaded yet; Retry-After' }
  return [
    route(
      {
        ...common,
        path: '/status-lists',
        summary: 'The URLs of all status lists.',
        replies: { 200: { 'application/json': z.object({ status_lists: z.array(z.string()) }) }, ...loading },
      },
      (_, c) =>
        lists.ready()
          ? c.json({ status_lists: lists.numbers().map((list) => listUri(issuer, list)) }, 200, headers)
          : notYet(c),
    ),
    route(
      {
        ...common,
        path: '/status-lists/:id',
        summary: 'A Token Status List: which sessions have ended, as a signed JWT.',
        params: z.object({ id: z.string().describe('The number of the list.') }),
        query: z.object({ time: z.string().optional().describe('Not kept: with it the answer is 501.') }),
        replies: {
          200: { 'application/statuslist+jwt': z.string() },
          304: 'Unchanged since the ETag of If-None-Match',
          404: 'No such list, or none any more',
          501: 'The past of a list is not kept',
          ...loading,
        },
      },
      ({ params: { id }, query: { time } }, c) => {
        if (!lists.ready()) return notYet(c)
        // Section 8.4: the past of a list is not kept, and says so.
        if (time !== undefined) return c.json({ error: 'not_implemented' }, 501, headers)
        const list = /^(0|[1-9]\d{0,9})$/.test(id) ? lists.find(Number(id)) : undefined
        // A list that is not there yet may be there soon.
        if (!list) return c.json({ error: 'not_found' }, 404, { ...headers, 'Cache-Control': 'no-cache' })
        const { jwt, gzipped, etag } = list
        const listHeaders = { ...headers, ETag: etag, Vary: 'Accept-Encoding' }
        const typed = { ...listHeaders, 'Content-Type': 'application/statuslist+jwt' }
        return (
          notModified(c, listHeaders) ??
          (acceptsGzip(c.req.header('accept-encoding'))
            ? new Response(new Uint8Array(gzipped), { headers: { ...typed, 'Content-Encoding': 'gzip' } })
            : new Response(jwt, { headers: typed }))
        )
      },
    ),
  ]
}

const acceptsGzip = (acceptEncoding = ''): boolean => /\bgzip\b(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))/i.test(acceptEncoding)
