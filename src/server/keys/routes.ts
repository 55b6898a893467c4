/** The documents a resource server needs: JWKS and metadata, built beforehand and served from memory. */
import { z } from 'zod'
import type { GatewayContext } from '../http/context.ts'
import { notModified } from '../http/not-modified.ts'
import { type Route, route } from '../http/route.ts'
import type { KeyRing, PublishedDocument } from './ring.ts'
import type { Schedule } from './schedule.ts'

const MAX_STALE_SECONDS = 60

export type KeyRoutesParts = {
  ring: KeyRing
  issuer: string
  schedule: Pick<Schedule, 'jwksMaxAgeSeconds' | 'publishAheadSeconds'>
  /** What the optional capabilities add to the metadata. */
  endpoints?: Readonly<Record<string, string | readonly string[]>>
}

export function keyRoutes({ ring, issuer, schedule, endpoints = {} }: KeyRoutesParts): Route[] {
  const { jwksMaxAgeSeconds, publishAheadSeconds } = schedule
  // With what a cache may serve stale it must not keep the document for longer than a key is published before it signs.
  const staleSeconds = Math.min(MAX_STALE_SECONDS, publishAheadSeconds - jwksMaxAgeSeconds)
  const headers = {
    'Content-Type': 'application/json',
    'Cache-Control': `public, max-age=${jwksMaxAgeSeconds}, stale-while-revalidate=${staleSeconds}, stale-if-error=86400`,
    'Access-Control-Allow-Origin': '*',
    'X-Content-Type-Options': 'nosniff',
  }

  const serve = (current: () => PublishedDocument) => {
    let last = { etag: '', headers: { ...headers, ETag: '' } }
    return (_: object, c: GatewayContext) => {
      // Nothing is said before there is a key: an empty list would be cached like a full one.
      if (!ring.ready())
        return c.json({ error: 'temporarily_unavailable' }, 503, { 'Retry-After': '2', 'Cache-Control': 'no-store' })
      const { body, etag } = current()
      if (last.etag !== etag) last = { etag, headers: { ...headers, ETag: etag } }
      return notModified(c, last.headers) ?? new Response(body, { headers: last.headers })
    }
  }

  let metadata: { algorithms: string; document: PublishedDocument } | undefined
  function currentMetadata(): PublishedDocument {
    const algorithms = ring.algorithms()
    const id = algorithms.join(' ')
    if (metadata?.algorithms !== id) {
      const body = JSON.stringify({ ...metadataOf(issuer, algorithms), ...endpoints })
      metadata = { algorithms: id, document: { body, etag: `"${Buffer.from(id).toString('base64url')}"` } }
    }
    return metadata.document
  }

  const common = { method: 'get', tag: 'Documents', access: 'public', document: true } as const
  const otherwise = {
    304: 'Unchanged since the ETag of If-None-Match',
    503: 'The keys are not loaded yet; Retry-After',
  }
  const metadataReplies = { 200: { 'application/json': metadataSchema }, ...otherwise }
  const oauthMetadata = (path: string) =>
    route(
      {
        ...common,
        path: `/.well-known/oauth-authorization-server${path}`,
        summary: 'The same where RFC 8414 puts it; for an issuer with a path, the path comes after this one.',
        replies: metadataReplies,
      },
      serve(currentMetadata),
    )
  // RFC 8414 section 3.1: for an issuer with a path, the well-known part stands before it.
  const { pathname } = new URL(issuer)
  return [
    route(
      {
        ...common,
        path: '/.well-known/jwks.json',
        summary: 'The public keys (RFC 7517) that access tokens and status lists are signed with.',
        replies: { 200: { 'application/json': jwksSchema }, ...otherwise },
      },
      serve(ring.jwks),
    ),
    route(
      {
        ...common,
        path: '/.well-known/openid-configuration',
        summary: 'What a resource server that is given the issuer alone needs (OpenID Connect Discovery).',
        replies: metadataReplies,
      },
      serve(currentMetadata),
    ),
    oauthMetadata(''),
    ...(pathname === '/' ? [] : [oauthMetadata(pathname)]),
  ]
}

const jwksSchema = z.object({
  keys: z.array(z.looseObject({ kty: z.string(), kid: z.string(), alg: z.string(), use: z.literal('sig') })),
})

const metadataSchema = z.object({
  issuer: z.string(),
  jwks_uri: z.string(),
  id_token_signing_alg_values_supported: z.array(z.string()),
  response_types_supported: z.array(z.string()),
  subject_types_supported: z.array(z.string()),
  status_list_aggregation_endpoint: z.string(),
  device_authorization_endpoint: z.string().optional(),
  token_endpoint: z.string().optional(),
  grant_types_supported: z.array(z.string()).optional(),
  token_endpoint_auth_methods_supported: z.array(z.string()).optional(),
})

/** RFC 8414 and OpenID Connect Discovery: what a resource server reads when it is given the issuer alone. */
const metadataOf = (issuer: string, algorithms: string[]): z.output<typeof metadataSchema> => ({
  issuer,
  jwks_uri: `${issuer}/.well-known/jwks.json`,
  id_token_signing_alg_values_supported: algorithms,
  // RFC 8414 requires the member; there is no authorization endpoint, so no response type.
  response_types_supported: ['none'],
  subject_types_supported: ['public'],
  status_list_aggregation_endpoint: `${issuer}/status-lists`,
})
