/** The documents a resource server needs: JWKS and metadata, built beforehand and served from memory. */
import { Hono } from 'hono'
import { z } from 'zod'
import type { KeyRing, PublishedDocument } from './ring.ts'

export type DocumentRoutesParts = { ring: KeyRing; issuer: string; jwksMaxAgeSeconds: number }

export function documentRoutes({ ring, issuer, jwksMaxAgeSeconds }: DocumentRoutesParts): Hono {
  const app = new Hono()
  const headers = {
    'Content-Type': 'application/json',
    'Cache-Control': `public, max-age=${jwksMaxAgeSeconds}, stale-while-revalidate=60, stale-if-error=86400`,
    'Access-Control-Allow-Origin': '*',
    'X-Content-Type-Options': 'nosniff',
  }

  function serve(path: string, current: () => PublishedDocument): void {
    app.get(path, (c) => {
      // Nothing is said before there is a key: an empty list would be cached like a full one.
      if (!ring.ready())
        return c.json({ error: 'temporarily_unavailable' }, 503, { 'Retry-After': '2', 'Cache-Control': 'no-store' })
      const { body, etag } = current()
      if (matches(c.req.header('if-none-match'), etag))
        return new Response(null, { status: 304, headers: { ...headers, ETag: etag } })
      return new Response(body, { headers: { ...headers, ETag: etag } })
    })
  }

  serve('/.well-known/jwks.json', ring.jwks)

  let metadata: { algorithms: string; document: PublishedDocument } | undefined
  function currentMetadata(): PublishedDocument {
    const algorithms = ring.algorithms()
    const id = algorithms.join(' ')
    if (metadata?.algorithms !== id) {
      const body = JSON.stringify(metadataOf(issuer, algorithms))
      metadata = { algorithms: id, document: { body, etag: `"${Buffer.from(id).toString('base64url')}"` } }
    }
    return metadata.document
  }
  serve('/.well-known/openid-configuration', currentMetadata)
  serve('/.well-known/oauth-authorization-server', currentMetadata)
  // RFC 8414 section 3.1: for an issuer with a path, the well-known part stands before it.
  const { pathname } = new URL(issuer)
  if (pathname !== '/') serve(`/.well-known/oauth-authorization-server${pathname}`, currentMetadata)
  return app
}

const metadataSchema = z.object({
  issuer: z.string(),
  jwks_uri: z.string(),
  id_token_signing_alg_values_supported: z.array(z.string()),
  response_types_supported: z.array(z.string()),
  subject_types_supported: z.array(z.string()),
  status_list_aggregation_endpoint: z.string(),
})
const common = { method: 'get', tag: 'Documents', access: 'public', contentType: 'application/json' } as const
const unchanged = { 304: 'Unchanged since the ETag of If-None-Match' }

/** The same for the API description. */
export const keyDocuments = [
  {
    ...common,
    path: '/.well-known/jwks.json',
    summary: 'The public keys (RFC 7517) that access tokens and status lists are signed with.',
    reply: z.object({
      keys: z.array(z.looseObject({ kty: z.string(), kid: z.string(), alg: z.string(), use: z.literal('sig') })),
    }),
    alsoAnswers: { ...unchanged, 503: 'The keys are not loaded yet; Retry-After' },
  },
  {
    ...common,
    path: '/.well-known/openid-configuration',
    summary: 'What a resource server that is given the issuer alone needs (OpenID Connect Discovery).',
    reply: metadataSchema,
    alsoAnswers: unchanged,
  },
  {
    ...common,
    path: '/.well-known/oauth-authorization-server',
    summary: 'The same where RFC 8414 puts it; for an issuer with a path, the path comes after this one.',
    reply: metadataSchema,
    alsoAnswers: unchanged,
  },
] as const

const matches = (ifNoneMatch: string | undefined, etag: string): boolean =>
  ifNoneMatch?.split(',').some((part) => part.trim().replace(/^W\//, '') === etag || part.trim() === '*') ?? false

/** RFC 8414 and OpenID Connect Discovery: what a resource server reads when it is given the issuer alone. */
const metadataOf = (issuer: string, algorithms: string[]) => ({
  issuer,
  jwks_uri: `${issuer}/.well-known/jwks.json`,
  id_token_signing_alg_values_supported: algorithms,
  // RFC 8414 requires the member; there is no authorization endpoint, so no response type.
  response_types_supported: ['none'],
  subject_types_supported: ['public'],
  status_list_aggregation_endpoint: `${issuer}/status-lists`,
})
