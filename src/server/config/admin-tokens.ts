/** `ADMIN_TOKENS`: the tokens of operators' and services' programs, and what each may do. */
import { z } from 'zod'
import { list } from './formats.ts'

const adminScopes = [
  'admin',
  'admin-read',
  'introspect',
  'revoke',
  'open-data',
  'sign',
  'credential',
  'platform-events',
  'events',
] as const
export type AdminScope = (typeof adminScopes)[number]

/** Scopes that may be narrowed: `introspect@AUDIENCE`, `sign@APPID`, `credential@APPID`, `events@TARGET`. */
const narrowable: readonly AdminScope[] = ['introspect', 'sign', 'credential', 'events']

/** `only`: for these audiences or apps alone; undefined: for all. */
export type AdminGrant = { scope: AdminScope; only: readonly string[] | undefined }
export type AdminToken = { name: string; grants: readonly AdminGrant[]; secret: string }

/** `name:scope+scope:secret`: neither a name nor a secret holds a colon, an audience may. */
const ENTRY = /^([A-Za-z0-9_.-]{1,64}):(.+):([^:]+)$/

export const adminTokens = z.string().transform((text, context): AdminToken[] => {
  const tokens: AdminToken[] = []
  for (const item of list(text)) {
    const [, name, scopes = '', secret = ''] = ENTRY.exec(item) ?? []
    const named = scopes.split('+').map(readScope)
    const known = named.filter((one) => one !== undefined)
    if (name === undefined || known.length !== named.length) {
      context.addIssue(
        `entry ${tokens.length + 1} must be name:scope+scope:secret with scopes from ${adminScopes.join(', ')}; ${narrowable.join(', ')} may be narrowed as scope@value, with %2C, %2B and %25 for a comma, a plus and a percent sign`,
      )
      return z.NEVER
    }
    const problem = (reason: string) => context.addIssue(`"${name}": ${reason}`)
    if (secret.length < 32) problem('the secret must have at least 32 characters')
    // What a bearer header can carry (RFC 6750 section 2.1); another secret could never be presented.
    if (!/^[A-Za-z0-9._~+/=-]{1,4096}$/.test(secret)) problem('the secret may hold letters, digits and -._~+/= only')
    if (tokens.some((token) => token.name === name)) problem('the name is there twice')
    const grants = adminScopes.flatMap((scope) => grantOf(scope, known, problem) ?? [])
    tokens.push({ name, grants, secret })
  }
  return tokens
})

type NamedScope = { scope: AdminScope; value: string | undefined }

function readScope(text: string): NamedScope | undefined {
  const [, word, value] = /^([a-z-]+)(?:@(.{1,500}))?$/.exec(text) ?? []
  const scope = adminScopes.find((one) => one === word)
  if (scope === undefined || (value !== undefined && !narrowable.includes(scope))) return undefined
  try {
    return { scope, value: value === undefined ? undefined : decodeURIComponent(value) }
  } catch {
    return undefined
  }
}

/** Whole and narrowed at once would be whole: more than whoever narrowed it had in mind. */
function grantOf(scope: AdminScope, named: NamedScope[], problem: (reason: string) => void): AdminGrant | undefined {
  const values = named.filter((one) => one.scope === scope).map(({ value }) => value)
  if (values.length === 0) return undefined
  const only = values.filter((value) => value !== undefined)
  if (only.length > 0 && only.length < values.length) problem(`the scope ${scope} is there both whole and narrowed`)
  return { scope, only: only.length > 0 ? only : undefined }
}

/** Whether any token has the scope: what nobody may use is not loaded. */
export const isGranted = (tokens: readonly AdminToken[], scope: AdminScope): boolean =>
  tokens.some(({ grants }) => grants.some((grant) => grant.scope === scope))
