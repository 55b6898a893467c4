/** `CLIENTS`: what is logged in to beside the apps of a platform: devices (RFC 8628) and web pages. `WEB_ORIGINS`: who may call from a browser. */
import { z } from 'zod'
import { list, listById } from './formats.ts'

export type ClientConfig = {
  id: string
  /** What people read when they are asked to confirm. */
  name: string
  /** device: logs in by the device flow. web: by a hand-off ticket. */
  kind: 'device' | 'web'
  audience?: string[] | undefined
}

const client = z.strictObject({
  id: z.string().regex(/^[A-Za-z0-9_.-]{1,64}$/, 'must have 1 to 64 letters, digits and _.-'),
  name: z.string().min(1).max(64),
  kind: z.enum(['device', 'web']),
  audience: z.array(z.string().min(1).max(500)).min(1).optional(),
})

export const clients = listById<ClientConfig>(client, {
  min: 1,
  max: 100,
  example: '[{"id":"pc","name":"Back office","kind":"device"}]',
})

/** Exact origins, as a browser sends them (RFC 6454 section 6.2): no path, no trailing slash, no wildcard. */
export const webOrigins = z.string().transform((text, context): string[] => {
  const origins = list(text)
  for (const origin of origins) {
    const url = URL.canParse(origin) ? new URL(origin) : undefined
    const loopback = url !== undefined && ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname)
    const secure = url?.protocol === 'https:' || (url?.protocol === 'http:' && loopback)
    if (!secure || url?.origin !== origin)
      context.addIssue(
        `"${origin.slice(0, 100)}" must be an exact origin such as https://www.example.com (http on a loopback host alone)`,
      )
  }
  return origins
})
