/** What an operator may say about a user beyond roles: claims of its own, and the id by which another system knows the user. */
import { z } from 'zod'

/** Bytes of the JSON text: a token travels in a header. */
const MAX_CLAIMS_BYTES = 1024

/** Names that mean something in a token: registered ones (RFC 7519, RFC 9068, OpenID Connect) and those of this gateway. */
const taken = new Set(
  `iss sub aud exp nbf iat jti client_id sid roles scope status ext external_id openid unionid platform cnf act azp claims nonce auth_time
   acr amr typ groups entitlements session_key __proto__ constructor prototype`.split(/\s+/),
)

export type OwnClaims = Readonly<Record<string, unknown>>

/** One JSON object, at most 1 KiB as text, whose names no registered claim has; null takes the claims away. */
const ownClaimsSchema = z
  .record(z.string().min(1).max(64), z.unknown())
  .superRefine((claims, context) => {
    for (const name of Object.keys(claims))
      if (taken.has(name)) context.addIssue({ code: 'custom', path: [name], message: 'is a registered claim' })
    const bytes = Buffer.byteLength(JSON.stringify(claims))
    if (bytes > MAX_CLAIMS_BYTES)
      context.addIssue({ code: 'custom', message: `has ${bytes} bytes as JSON, more than ${MAX_CLAIMS_BYTES}` })
  })
  .meta({ id: 'OwnClaims', description: `At most ${MAX_CLAIMS_BYTES} bytes as JSON; no registered claim's name.` })

const isWrapped = (body: unknown): body is { claims: unknown } =>
  typeof body === 'object' && body !== null && Object.keys(body).join() === 'claims'

/** The claims, bare or as the one member `claims`. */
export const ownClaimsBody = z.preprocess(
  (body) => (isWrapped(body) ? body.claims : (body ?? undefined)),
  ownClaimsSchema.nullable(),
)

/** Text in a claim and in a header: printable ASCII without blanks. */
export const externalIdSchema = z
  .string()
  .regex(/^[!-~]{1,128}$/, 'has 1 to 128 printable ASCII characters and no blank')
