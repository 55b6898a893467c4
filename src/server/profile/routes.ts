/** What users do with their own profile: read, change, hand over a phone number. */
import { z } from 'zod'
import { actorOf, type GatewayContext, replyHeader } from '../http/context.ts'
import { type Route, route } from '../http/route.ts'
import { loginCode } from '../platforms/login-code.ts'
import { platformFailures } from '../platforms/platform.ts'
import { encryptedSchema } from '../session-key/open-data.ts'
import { profileFields } from '../users/profile-fields.ts'
import type { PhoneNumbers } from './phone-number.ts'
import { etagOf, type Profiles, profilePatchSchema, versionsOf } from './profile.ts'
import type { ProfileRow } from './store.ts'

export const profileSchema = z
  .object({
    user_id: z.string(),
    ...profileFields.shape,
    roles: z.array(z.string()),
    created_at: z.date(),
    last_login_at: z.date(),
  })
  .meta({ id: 'Profile' })

/** The reply's data; the version goes into the ETag header, and nobody between keeps a copy. */
export function profileReply(c: GatewayContext, profile: ProfileRow): z.input<typeof profileSchema> {
  replyHeader(c, 'ETag', etagOf(profile))
  replyHeader(c, 'Cache-Control', 'no-store')
  const { id, version: _, ...rest } = profile
  return { user_id: id, ...rest }
}

/** Unknown members are ignored here: a client may pass on all that the button's event holds. */
export const phoneBody = z
  .object({
    code: loginCode.optional().describe("The phone button's code, not wx.login's."),
    encryptedData: encryptedSchema.encryptedData.optional(),
    iv: encryptedSchema.iv.optional(),
  })
  .transform(({ code, encryptedData, iv }, context) => {
    if (code !== undefined) return { code }
    if (encryptedData !== undefined && iv !== undefined) return { encryptedData, iv }
    const missing = encryptedData !== undefined ? 'iv' : iv !== undefined ? 'encryptedData' : 'code'
    context.addIssue({ code: 'custom', path: [missing], message: 'give code, or encryptedData and iv' })
    return z.NEVER
  })

export type ProfileRoutesParts = {
  profiles: Profiles
  phoneNumbers: PhoneNumbers
}

export function profileRoutes({ profiles, phoneNumbers }: ProfileRoutesParts): Route[] {
  return [
    route(
      {
        method: 'get',
        path: '/api/user',
        tag: 'Profile',
        summary: 'Read the own profile; its ETag is what If-Match compares.',
        access: 'user',
        reply: profileSchema,
      },
      async ({ auth }, c) => profileReply(c, await profiles.read(auth.userId)),
    ),
    route(
      {
        method: 'patch',
        path: '/api/user',
        tag: 'Profile',
        summary: 'Change fields of the own profile; null clears. With If-Match only if nothing changed meanwhile.',
        access: 'user',
        body: profilePatchSchema,
        reply: profileSchema,
        errors: [...platformFailures, 'A0240', 'A0312', 'A0430', 'A0505'],
      },
      async ({ auth, body }, c) => {
        const versions = versionsOf(c.req.header('if-match'))
        return profileReply(c, await profiles.change(auth, body, versions, actorOf(c)))
      },
    ),
    route(
      {
        method: 'post',
        path: '/api/user/phone',
        tag: 'Profile',
        summary: "Take the phone number from the platform's phone button.",
        access: 'user',
        body: phoneBody,
        reply: profileSchema,
        errors: [...platformFailures, 'A0240', 'A0312', 'A0340', 'A0404'],
      },
      async ({ auth, body }, c) => {
        return profileReply(c, await phoneNumbers.set(auth, body, actorOf(c)))
      },
    ),
    route(
      {
        method: 'delete',
        path: '/api/user/phone',
        tag: 'Profile',
        summary: 'Take the phone number back: it is deleted here.',
        access: 'user',
        reply: profileSchema,
      },
      async ({ auth }, c) => profileReply(c, await phoneNumbers.remove(auth, actorOf(c))),
    ),
  ]
}
