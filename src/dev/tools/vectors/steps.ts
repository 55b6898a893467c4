/** The words that scripts are written in, and the tokens they present. */

import type { Expect, Reply, Step } from './format.ts'
import {
  accepted,
  ENDED,
  JWKS,
  jwks,
  LIST,
  LIST_URI,
  list,
  listReply,
  NOW,
  refused,
  token,
  tokenFor,
} from './gateway.ts'
import type { KeyName } from './sign.ts'

export const DAYS = 86_400
/** A token that outlives every script. */
export const LONG = { exp: NOW + 30 * DAYS }
export const GOOD = token(LONG)
export const ENDED_TOKEN = tokenFor(ENDED, LIST_URI, LONG)
export const NEXT = token(LONG, {}, 'es-next')
export const UNKNOWN = token(LONG, {}, 'stranger-es')
export const REFUSE = { onStaleStatus: 'refuse' } as const
export const DOWN = { '*': { down: true } } satisfies Record<string, Reply>
export const UP = { '*': null }

export const ready = (at: number, outcome: 'ok' | 'keys_unavailable' = 'ok'): Step => ({ at, ready: outcome })
export const becomes = (at: number, gateway: Record<string, Reply | null>): Step => ({ at, gateway })
export const verify = (
  at: number,
  text: string,
  expect: Expect,
  more: { times?: number; parallel?: number } = {},
): Step => ({
  at,
  verify: text,
  ...more,
  expect,
})
export const verifyEvent = (at: number, text: string, expect: Expect): Step => ({ at, verifyEvent: text, expect })
export const ok = (at: number, text = GOOD): Step => verify(at, text, accepted())
export const no = (at: number, text: string, reason: Parameters<typeof refused>[0]): Step =>
  verify(at, text, refused(reason))
export const asked = (
  at: number,
  requests: string,
  count: { exactly?: number; atMost?: number; atLeast?: number },
): Step => ({
  at,
  requests,
  ...count,
})
export const published = (
  ended: number[],
  at: number,
  more: Parameters<typeof list>[0] = {},
): Record<string, Reply> => ({
  [LIST]: listReply(list({ ended, at, ...more })),
})
export const keysOf = (...names: KeyName[]): Record<string, Reply> => ({ [JWKS]: jwks(...names) })
/** The same published again and again, each signed when the next is due. */
export const kept = (from: number, to: number, ended: number[]): Step[] =>
  Array.from({ length: Math.ceil((to - from) / 300) }, (_, i) =>
    becomes(from + i * 300, published(ended, from + i * 300)),
  )
