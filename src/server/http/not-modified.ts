/** Conditional requests for documents (RFC 9110 section 13.1.2): one answer to If-None-Match for all of them. */
import type { GatewayContext } from './context.ts'

/** 304 with these headers where the caller has this ETag already, compared weakly; undefined where they need the body. */
export function notModified(c: GatewayContext, headers: { ETag: string }): Response | undefined {
  const asked = c.req.header('if-none-match')
  if (asked === undefined) return undefined
  const opaque = headers.ETag.replace(/^W\//, '')
  const known = asked.split(',').some((tag) => ['*', opaque].includes(tag.trim().replace(/^W\//, '')))
  return known ? new Response(null, { status: 304, headers }) : undefined
}
