/** What the pages of the other platforms have in common: their parts, a refusal from a table of codes, an identity from a reply. */
import type { Clock } from '../clock.ts'
import type { Sealer } from '../crypto/seal.ts'
import type { Cache } from '../storage/cache.ts'
import type { Send } from './fetch-json.ts'
import { type Exchange, PlatformError, type Refusal } from './platform.ts'

/** What a page is made of; most need only the first two. */
export type PageParts = { send: Send; apiBase?: string | undefined; cache: Cache; sealer: Sealer; clock: Clock }

/** The codes that a platform documents. One that is not here is `unknown`, an alert, and never guessed at. */
export type Refusals = Readonly<Record<string, Refusal>>

export function refused(operation: string, refusals: Refusals, code: unknown): PlatformError {
  const text = /^[\w.-]{1,64}$/.test(String(code)) ? String(code) : 'odd'
  const refusal = (Object.hasOwn(refusals, text) ? refusals[text] : undefined) ?? 'unknown'
  return new PlatformError(operation, 'refused', { refusal, errcode: text })
}

/** The text, if it is one that can be kept: not empty, not longer than any id of any platform. */
export function boundedText(value: unknown, max = 128): string | undefined {
  return typeof value === 'string' && value !== '' && value.length <= max ? value : undefined
}

/** Success is a non-empty openid and session_key, whatever else is there; an absent unionid may be an empty text. */
export function readIdentity(
  operation: string,
  reply: { openid: unknown; sessionKey: unknown; unionid?: unknown },
): Exchange {
  const openid = boundedText(reply.openid)
  if (openid === undefined) throw new PlatformError(operation, 'body', { note: 'no openid' })
  const sessionKey = boundedText(reply.sessionKey, 512)
  if (sessionKey === undefined) throw new PlatformError(operation, 'body', { note: 'no session_key' })
  const unionid = boundedText(reply.unionid)
  return { openid, sessionKey, ...(unionid === undefined ? {} : { unionid }) }
}

/** A member that has to be an object, such as `data`. */
export function objectIn(operation: string, value: unknown, name: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new PlatformError(operation, 'body', { note: `no ${name}` })
  }
  return value as Record<string, unknown>
}

export const formHeaders = { 'content-type': 'application/x-www-form-urlencoded' }
export const jsonHeaders = { 'content-type': 'application/json' }
