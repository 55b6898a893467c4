/** The transmitter's metadata of the Shared Signals Framework: as much of it as a gateway whose streams are configured can say. */
import { z } from 'zod'
import type { EventTarget } from '../config/event-targets.ts'
import { type Route, route } from '../http/route.ts'

const PUSH = 'urn:ietf:rfc:8935'
const POLL = 'urn:ietf:rfc:8936'

const metadata = z
  .object({
    spec_version: z.string(),
    issuer: z.string(),
    jwks_uri: z.string(),
    delivery_methods_supported: z.array(z.string()),
    critical_subject_members: z.array(z.string()),
    default_subjects: z.enum(['ALL', 'NONE']),
  })
  .meta({ id: 'SsfConfiguration' })

/** SSF 1.0 section 7.1. There is no endpoint to make a stream by: targets come from the configuration alone, never from a request. */
export function discoveryRoute({ issuer, targets }: { issuer: string; targets: readonly EventTarget[] }): Route {
  const methods = new Set(targets.map(({ url }) => (url === undefined ? POLL : PUSH)))
  const document = {
    spec_version: '1_0',
    issuer,
    jwks_uri: `${issuer}/.well-known/jwks.json`,
    delivery_methods_supported: [...methods].sort(),
    critical_subject_members: ['user', 'session'],
    default_subjects: 'ALL',
  } satisfies z.input<typeof metadata>
  return route(
    {
      method: 'get',
      path: '/.well-known/ssf-configuration',
      tag: 'Documents',
      summary: 'How this gateway tells services what happened (Shared Signals Framework 1.0).',
      access: 'public',
      document: true,
      replies: { 200: { 'application/json': metadata } },
    },
    (_, c) => c.json(document, 200, { 'Cache-Control': 'public, max-age=300', 'Access-Control-Allow-Origin': '*' }),
  )
}
