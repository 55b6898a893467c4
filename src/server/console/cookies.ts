/** The console's cookies: the sealed session, the language, and what a sign-in by OIDC remembers on its way. */
import { getCookie } from 'hono/cookie'
import { serialize } from 'hono/utils/cookie'
import type { GatewayContext } from '../http/context.ts'

type CookieOptions = NonNullable<Parameters<typeof serialize>[2]>

/** `secure`: the browser is on https, where a name with __Host- keeps other hosts and http from setting it. */
const nameOf = (name: string, secure: boolean) => (secure ? `__Host-${name}` : name)

const common = (secure: boolean): CookieOptions => ({ httpOnly: true, path: '/', secure })

export const readCookie = (c: GatewayContext, name: string, secure: boolean): string | undefined =>
  getCookie(c, nameOf(name, secure))

export const sessionCookie = (value: string, secure: boolean): string =>
  serialize(nameOf('console', secure), value, {
    ...common(secure),
    sameSite: 'Strict',
    ...(value === '' ? { maxAge: 0 } : {}),
  })

/** Comes back from another site: Lax, and for ten minutes. */
export const flowCookie = (value: string, secure: boolean): string =>
  serialize(nameOf('console-oidc', secure), value, {
    ...common(secure),
    sameSite: 'Lax',
    maxAge: value === '' ? 0 : 600,
  })

export const languageCookie = (language: 'zh' | 'en', secure: boolean): string =>
  serialize(nameOf('console-language', secure), language, { ...common(secure), sameSite: 'Lax', maxAge: 31_536_000 })
