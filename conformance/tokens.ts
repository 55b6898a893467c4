/** Access tokens as a resource server of another team reads them, with jose. */
import { decodeJwt, decodeProtectedHeader, type JWTPayload, type ProtectedHeaderParameters } from 'jose'
import { expectThat, inspect } from './checks.ts'
import { Unmet } from './requirement.ts'
import type { StatusReference } from './status-list.ts'
import type { World } from './world.ts'

export function headerOf(token: string): ProtectedHeaderParameters {
  return asJwt(() => decodeProtectedHeader(token))
}

export function claimsOf(token: string): JWTPayload {
  return asJwt(() => decodeJwt(token))
}

function asJwt<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw new Unmet('an access token that is a JWT', error instanceof Error ? error.message : String(error))
  }
}

/** The `status` claim (draft-ietf-oauth-status-list section 6). */
export function statusOf(token: string): StatusReference {
  const reference = (claimsOf(token).status as { status_list?: StatusReference } | undefined)?.status_list
  if (typeof reference?.idx !== 'number' || typeof reference.uri !== 'string')
    throw new Unmet('a claim status.status_list with idx and uri', inspect(claimsOf(token).status))
  return reference
}

/** The issuer that the profile names, or that the published metadata names. */
export async function issuerOf({ profile, service }: World): Promise<string> {
  const named = profile.accessToken?.issuer
  if (named !== undefined) return named
  const [path] = profile.metadata ?? []
  if (path === undefined) return ''
  const { json } = await service.get(path)
  const issuer = (json as { issuer?: unknown } | undefined)?.issuer
  expectThat(typeof issuer === 'string' && issuer !== '', `issuer in ${path}`, inspect(json))
  return String(issuer)
}

type Jwk = Record<string, unknown> & { kid?: string }

/** The published keys as one base URL serves them. */
export async function keysOf({ profile, service }: World, base?: number): Promise<Jwk[]> {
  const answer = await service.get(profile.jwks ?? '', {}, base)
  const { keys } = (answer.json ?? {}) as { keys?: unknown }
  expectThat(
    answer.status === 200 && Array.isArray(keys) && keys.length > 0,
    'a JWKS with keys',
    `${answer.status} ${inspect(answer.text)}`,
  )
  return keys as Jwk[]
}
