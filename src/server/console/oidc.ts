/** Sign-in to the console by OpenID Connect: code flow with PKCE, state and nonce; a role comes from a claim. */
import { createHash } from 'node:crypto'
import {
  allowInsecureRequests,
  authorizationCodeGrant,
  buildAuthorizationUrl,
  type Configuration,
  calculatePKCECodeChallenge,
  discovery,
  fetchUserInfo,
  randomNonce,
  randomPKCECodeVerifier,
  randomState,
} from 'openid-client'
import type { Clock } from '../clock.ts'
import type { ConsoleOidc } from '../config/console.ts'
import type { Sealer } from '../crypto/seal.ts'
import { GatewayError } from '../errors.ts'
import { flowCookie, readCookie } from './cookies.ts'
import type { Operator } from './operators.ts'
import type { Guest } from './replies.ts'
import type { Scope } from './session.ts'
import { pathBack } from './sign-in-page.ts'

type Flow = { state: string; nonce: string; verifier: string; returnTo: string; fresh: boolean; at: number }

export type OidcResult =
  | { operator: Operator; returnTo: string; fresh: boolean }
  | { reason: 'no-role' | 'not-completed'; error?: string }

const CONTEXT = 'console-oidc'
const FLOW_MS = 10 * 60_000
const TIMEOUT_SECONDS = 5
/** How long ago the provider may have asked for the password when a fresh sign-in was wanted. */
const FRESH_SECONDS = 120

export function createOidc({ config, sealer, clock }: { config: ConsoleOidc; sealer: Sealer; clock: Clock }) {
  const { issuer, clientId, clientSecret, scope, roleClaim, adminRoles, readRoles } = config
  const proof = createHash('sha256').update([issuer, clientId, clientSecret].join(' ')).digest('base64url').slice(0, 22)
  let discovered: Promise<Configuration> | undefined

  /** Kept once it is there; asked again after a failure. */
  function provider(): Promise<Configuration> {
    discovered ??= discovery(new URL(issuer), clientId, clientSecret, undefined, {
      timeout: TIMEOUT_SECONDS,
      // Configuration allows http on a loopback host alone.
      execute: issuer.startsWith('http:') ? [allowInsecureRequests] : [],
    }).catch((cause: unknown) => {
      discovered = undefined
      throw new GatewayError('C0001', { cause, note: 'the OIDC provider of the console does not answer' })
    })
    return discovered
  }

  function flowOf({ c, secure }: Guest): Flow | undefined {
    const cookie = readCookie(c, 'console-oidc', secure)
    try {
      const flow = JSON.parse(sealer.open(cookie ?? '', CONTEXT)) as Flow
      return clock.now().getTime() - flow.at <= FLOW_MS ? flow : undefined
    } catch {
      return undefined
    }
  }

  function scopeOf(claims: Readonly<Record<string, unknown>>): Scope | undefined {
    const roles = [valueAt(claims, roleClaim)].flat().filter((role) => typeof role === 'string')
    if (roles.some((role) => adminRoles.includes(role))) return 'admin'
    return roles.some((role) => readRoles.includes(role)) ? 'admin-read' : undefined
  }

  return {
    /** What sessions hang on. */
    proof,

    /** Where the browser goes, and the cookie that it takes along. */
    async start({ url, secure }: Guest, origin: string): Promise<{ to: string; cookie: string }> {
      const flow: Flow = {
        ...{ state: randomState(), nonce: randomNonce(), verifier: randomPKCECodeVerifier() },
        returnTo: pathBack(url.searchParams.get('return_to') ?? undefined),
        fresh: url.searchParams.has('fresh'),
        at: clock.now().getTime(),
      }
      const to = buildAuthorizationUrl(await provider(), {
        ...{ redirect_uri: callbackOf(origin), scope, state: flow.state, nonce: flow.nonce },
        code_challenge: await calculatePKCECodeChallenge(flow.verifier),
        code_challenge_method: 'S256',
        // OpenID Connect Core section 3.1.2.1: the provider asks again, and auth_time says that it did.
        ...(flow.fresh ? { prompt: 'login', max_age: '0' } : {}),
      })
      return { to: to.href, cookie: flowCookie(sealer.seal(JSON.stringify(flow), CONTEXT), secure) }
    },

    async finish(guest: Guest, origin: string): Promise<OidcResult> {
      const flow = flowOf(guest)
      if (!flow) return { reason: 'not-completed', error: 'no sign-in under way in this browser' }
      const server = await provider()
      try {
        const tokens = await authorizationCodeGrant(server, new URL(callbackOf(origin) + guest.url.search), {
          pkceCodeVerifier: flow.verifier,
          expectedState: flow.state,
          expectedNonce: flow.nonce,
          idTokenExpected: true,
          ...(flow.fresh ? { maxAge: FRESH_SECONDS } : {}),
        })
        const claims: Record<string, unknown> = { ...tokens.claims() }
        const subject = String(claims.sub)
        if (valueAt(claims, roleClaim) === undefined && server.serverMetadata().userinfo_endpoint)
          Object.assign(claims, await fetchUserInfo(server, tokens.access_token, subject))
        const granted = scopeOf(claims)
        if (!granted) return { reason: 'no-role' }
        const operator: Operator = { name: nameOf(claims, subject), by: 'oidc', proof, scope: granted }
        return { operator, returnTo: flow.returnTo, fresh: flow.fresh }
      } catch (error) {
        return { reason: 'not-completed', error: error instanceof Error ? error.name : 'unknown' }
      }
    },
  }
}

const callbackOf = (origin: string) => `${origin}/console/oidc/callback`

/** `realm_access.roles` is the member of a member, unless a claim has that very name. */
function valueAt(claims: Readonly<Record<string, unknown>>, name: string): unknown {
  if (Object.hasOwn(claims, name)) return claims[name]
  let value: unknown = claims
  for (const part of name.split('.'))
    value = typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[part] : undefined
  return value
}

/** As the audit trail has it: an address that the provider has checked, else the subject; no token of ADMIN_TOKENS has a slash. */
function nameOf({ email, email_verified }: Readonly<Record<string, unknown>>, subject: string): string {
  const name = typeof email === 'string' && email_verified === true ? email : subject
  return `oidc/${name.replaceAll(/[^\w.@+-]/g, '_').slice(0, 120)}`
}
