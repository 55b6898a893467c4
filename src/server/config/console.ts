/** The operators' web console: where it is opened, and sign-in by OpenID Connect. */
import { z } from 'zod'
import { baseUrl, list } from './formats.ts'

export const consoleVariables = {
  CONSOLE_ORIGIN: baseUrl
    .refine(
      (url) => URL.canParse(url) && new URL(url).origin === url,
      'must be an origin: scheme, host and port alone, as https://console.example.com',
    )
    .optional()
    .describe(
      'Where operators open the console, where that is neither a loopback name nor an IP address: other host names are refused. Needed for OIDC.',
    ),
  CONSOLE_OIDC_ISSUER: baseUrl.optional().describe('OpenID Connect issuer by which operators sign in to the console.'),
  CONSOLE_OIDC_CLIENT_ID: z.string().min(1).max(200).optional().describe('Client of that issuer.'),
  CONSOLE_OIDC_CLIENT_SECRET: z.string().min(1).optional().describe('Secret of that client.'),
  CONSOLE_OIDC_SCOPE: z
    .string()
    .regex(/^openid( [!-~]+)*$/, 'must begin with openid')
    .default('openid profile email')
    .describe('Scopes that are asked for.'),
  CONSOLE_OIDC_ROLE_CLAIM: z
    .string()
    .min(1)
    .max(200)
    .default('roles')
    .describe('Claim that holds the roles, a text or a list; `realm_access.roles` is a member of a member.'),
  CONSOLE_OIDC_ADMIN_ROLES: z
    .string()
    .default('auth-gateway-admin')
    .transform(list)
    .describe('Roles that mean the scope `admin`, comma separated.'),
  CONSOLE_OIDC_READ_ROLES: z
    .string()
    .default('auth-gateway-read')
    .transform(list)
    .describe('Roles that mean the scope `admin-read`, comma separated.'),
}

type ConsoleEnvironment = z.output<z.ZodObject<typeof consoleVariables>>

export type ConsoleOidc = {
  issuer: string
  clientId: string
  clientSecret: string
  scope: string
  roleClaim: string
  adminRoles: readonly string[]
  readRoles: readonly string[]
}

export type ConsoleConfig = { origin: string | undefined; oidc: ConsoleOidc | undefined }

export function consoleOf(env: ConsoleEnvironment): ConsoleConfig {
  const {
    CONSOLE_OIDC_ISSUER: issuer,
    CONSOLE_OIDC_CLIENT_ID: clientId,
    CONSOLE_OIDC_CLIENT_SECRET: clientSecret,
  } = env
  const given = issuer !== undefined && clientId !== undefined && clientSecret !== undefined
  return {
    origin: env.CONSOLE_ORIGIN,
    oidc: given
      ? {
          ...{ issuer, clientId, clientSecret, scope: env.CONSOLE_OIDC_SCOPE },
          roleClaim: env.CONSOLE_OIDC_ROLE_CLAIM,
          adminRoles: env.CONSOLE_OIDC_ADMIN_ROLES,
          readRoles: env.CONSOLE_OIDC_READ_ROLES,
        }
      : undefined,
  }
}

/** What OIDC needs beside its issuer, and the issuer where something of it was given. */
export function consoleProblems(isMissing: (name: keyof ConsoleEnvironment) => boolean): string[] {
  const parts = ['CONSOLE_OIDC_ISSUER', 'CONSOLE_OIDC_CLIENT_ID', 'CONSOLE_OIDC_CLIENT_SECRET'] as const
  const given = parts.find((name) => !isMissing(name))
  if (given === undefined) return []
  return [...parts, 'CONSOLE_ORIGIN' as const].filter(isMissing).map((name) => `${name}: is required beside ${given}`)
}
