/** Reads the Authorization header (RFC 6750) and hands the token to whoever verifies it. */
import { GatewayError } from '../errors.ts'
import type { GatewayContext } from './context.ts'

/** The bearer token; throws A0230 when there is none. */
export function bearerToken(c: GatewayContext): string {
  const [, token] = /^Bearer ([A-Za-z0-9._~+/=-]{1,4096})$/i.exec(c.req.header('authorization') ?? '') ?? []
  if (token === undefined) throw new GatewayError('A0230', { note: 'no bearer token' })
  return token
}
