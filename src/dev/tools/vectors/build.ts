/** The pieces that vectors are built of: one with a refusal, a token as raw text, a member added to a text of JSON. */

import type { Expect, Vector } from './format.ts'
import { claims, header, refused, token } from './gateway.ts'
import { type KeyName, signText } from './sign.ts'

type Reason = Extract<Expect, { ok: false }>['reason']

export const bad = (id: string, why: string, text: string, reason: Reason, more: Partial<Vector> = {}): Vector => ({
  id: `hostile-${id}`,
  why,
  call: 'verify',
  token: text,
  expect: refused(reason),
  ...more,
})

/** The texts of a good token's header and payload, for vectors that spell them badly. */
export const HEADER = JSON.stringify(header('es'))
export const PAYLOAD = JSON.stringify(claims())
export const GOOD = token()
export const [HEADER_64 = '', PAYLOAD_64 = '', SIGNATURE_64 = ''] = GOOD.split('.')

export const raw = (protectedHeader: string | Uint8Array, payload: string | Uint8Array, key: KeyName = 'es'): string =>
  signText(key, protectedHeader, payload)

export const nested = (levels: number): string => `${'['.repeat(levels)}${']'.repeat(levels)}`
export const withMember = (object: string, member: string): string => `${object.slice(0, -1)},${member}}`
