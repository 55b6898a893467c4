/** `EVENT_TARGETS`: the services that are told what happened to users and sessions, and how. */
import { z } from 'zod'
import { isSecretSafe, listById } from './formats.ts'

export const eventKinds = [
  'user.created',
  'user.updated',
  'user.suspended',
  'user.reinstated',
  'user.erased',
  'session.ended',
] as const
export type EventKind = (typeof eventKinds)[number]

export type EventTarget = {
  id: string
  /** Where events are pushed (RFC 8935); undefined: the service polls (RFC 8936). */
  url: string | undefined
  /** `aud` of its events. */
  audience: string
  /** What it must confirm. */
  acknowledges: readonly 'erasure'[]
  /** Presented to the target as a bearer token. */
  token: string | undefined
  /** What it is told; undefined: everything. */
  events: readonly EventKind[] | undefined
}

const target = z
  .strictObject({
    id: z.string().regex(/^[A-Za-z0-9_.-]{1,64}$/, 'must have 1 to 64 letters, digits and _.-'),
    url: z.string().max(2000).optional(),
    audience: z.string().min(1).max(500),
    acknowledges: z.array(z.enum(['erasure'])).default([]),
    token: z
      .string()
      .regex(/^[A-Za-z0-9._~+/=-]{16,4096}$/, 'must have 16 to 4096 letters, digits and -._~+/=')
      .optional(),
    events: z.array(z.enum(eventKinds)).min(1).optional(),
  })
  .superRefine(({ url, token, acknowledges, events }, context) => {
    const problem = (field: string, message: string) => context.addIssue({ code: 'custom', path: [field], message })
    const wrong = url === undefined ? undefined : problemOfUrl(url)
    if (wrong !== undefined) problem('url', wrong)
    if (url === undefined && token !== undefined)
      problem('token', 'is presented to a url; a target that polls has a token of ADMIN_TOKENS')
    if (acknowledges.includes('erasure') && events?.includes('user.erased') === false)
      problem('events', 'must hold user.erased: what is not told cannot be acknowledged')
  })

/** The events name people, so they travel over TLS, or to a neighbour in the same network. */
function problemOfUrl(text: string): string | undefined {
  if (!URL.canParse(text) || !/^https?:\/\//.test(text) || /[\s\\]/.test(text)) return 'must be an https URL'
  const url = new URL(text)
  if (url.username !== '' || url.password !== '') return 'must not hold credentials: `token` is presented as a bearer'
  if (text.includes('#')) return 'must not have a fragment'
  if (!isSecretSafe(text)) return 'must be https; http only for a loopback host, a name without dots, or one in .svc'
  return undefined
}

export const eventTargets = listById<z.infer<typeof target>>(target, {
  max: 50,
  example: '[{"id":"orders","url":"https://orders.example.com/events","audience":"orders"}]',
}).transform((targets): EventTarget[] =>
  targets.map(({ url, token, events, ...rest }) => ({ ...rest, url, token, events })),
)
