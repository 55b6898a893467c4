/** Cookies of a browser: read one, and the header that sets or clears one. */
import { generateCookie, getCookie } from 'hono/cookie'
import type { GatewayContext } from './context.ts'

export const readCookie = (c: GatewayContext, name: string): string | undefined => getCookie(c, name)

export type CookieAttributes = { secure: boolean; maxAgeSeconds: number }

/** Out of reach for scripts, and sent along when another site leads the browser here by a link (RFC 6265bis section 5.6.7). */
export const cookieHeader = (name: string, value: string, { secure, maxAgeSeconds }: CookieAttributes): string =>
  generateCookie(name, value, { httpOnly: true, sameSite: 'Lax', path: '/', secure, maxAge: maxAgeSeconds })
