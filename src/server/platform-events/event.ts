/** What an event asks for: read from WeChat's members, of which any may be missing, odd or of another type than documented. */
import { createHash } from 'node:crypto'
import { type Members, type Parsed, readMembers, textOf } from './members.ts'

/** Events about a user's own data (miniprogram/dev/server/event_push/platform/authorized_user_information_changes). */
export const userEvents = [
  'user_info_modified',
  'user_authorization_revoke',
  'user_authorization_cancellation',
] as const
export type UserEvent = (typeof userEvents)[number]

/** Fields of a profile that a withdrawal or a clean-up may clear. */
export type ClearedField = 'nickname' | 'avatar' | 'phone' | 'email' | 'address'

/**
 * `RevokeInfo`. Mini programs: 2 address, 6 nickname and avatar, 8 phone number, 16 e-mail, 19 nickname from the keyboard, 20 avatar
 * from the picker; pages in WeChat: 201 address, 205 nickname and avatar; native apps: 301 everything. All others (licence plate,
 * location, camera, ...) name nothing that is kept here and are passed on.
 */
const revoked: Readonly<Record<string, readonly ClearedField[]>> = {
  2: ['address'],
  6: ['nickname', 'avatar'],
  8: ['phone'],
  16: ['email'],
  19: ['nickname', 'avatar'],
  20: ['nickname', 'avatar'],
  201: ['address'],
  205: ['nickname', 'avatar'],
  301: ['nickname', 'avatar', 'phone', 'email', 'address'],
}

export type Withdrawal = {
  /** As WeChat numbers them. */
  codes: string[]
  fields: ClearedField[]
  /** Whether it names something that is not kept here, or nothing at all. */
  others: boolean
}

/** Text or number, one or a list, in JSON or as repeated elements: whatever digits there are. */
export function readWithdrawal(members: Members): Withdrawal {
  const given = members.get('RevokeInfo')
  const values = Array.isArray(given) ? given : [given]
  const codes = values.flatMap((value) =>
    typeof value === 'string' || typeof value === 'number' ? [...String(value).matchAll(/\d{1,6}/g)].map(String) : [],
  )
  const known = codes.filter((code) => Object.hasOwn(revoked, code))
  const fields = [...new Set(known.flatMap((code) => revoked[code] ?? []))]
  return { codes: [...new Set(codes)].slice(0, 50), fields, others: known.length < codes.length || codes.length === 0 }
}

/** Of the user; undefined when it is missing or could be nobody's. */
export function openidOf(members: Members): string | undefined {
  const openid = textOf(members, 'OpenID')
  return openid !== undefined && /^[\x21-\x7e]{1,128}$/.test(openid) ? openid : undefined
}

/** What is kept of an event until it is done. */
export type NewEvent = {
  digest: string
  kind: 'user' | 'other'
  name: string | null
  format: 'json' | 'xml' | 'text'
  message: string
}

/** Any message that was decrypted: one that cannot be read is passed on like one that is not ours. */
export function describeEvent(platform: string, appid: string, message: string): NewEvent {
  const parsed = readMembers(message)
  const name = (parsed && textOf(parsed.members, 'Event')) ?? null
  return {
    digest: digestOf(platform, appid, parsed, message),
    kind: userEvents.some((one) => one === name) ? 'user' : 'other',
    name: name !== null && /^[\x21-\x7e]{1,64}$/.test(name) ? name : null,
    format: parsed?.format ?? 'text',
    message,
  }
}

/**
 * Of the whole event in one spelling, since an event has no id: WeChat repeats it with another nonce and another encryption, and a
 * service may hand it in with its members in another order.
 */
function digestOf(platform: string, appid: string, parsed: Parsed | undefined, message: string): string {
  const hash = createHash('sha256').update(JSON.stringify([platform, appid]))
  try {
    const members = [...(parsed?.members ?? [])].map(([name, value]): [string, string] => [
      name,
      typeof value === 'object' ? JSON.stringify(value) : String(value).trim(),
    ])
    if (members.length > 0) {
      const sorted = members.sort(([a], [b]) => (a < b ? -1 : 1))
      return hash.update(JSON.stringify(sorted)).digest('hex')
    }
  } catch {
    // Nested beyond what can be written again: its own text stands for it.
  }
  return hash.update(message).digest('hex')
}
