/** The fields of a profile, once: what a reply shows, a patch may set, an operator reads, an export holds and an erasure clears. */
import { z } from 'zod'
import { hasHidden } from '../http/hidden-characters.ts'
import type { UsersTable } from '../storage/schema.ts'

/** Trimmed, and at most this many characters as the API description counts them: code points, so that an emoji is one. */
const text = (maximum: number, { lines }: { lines: boolean }) =>
  z
    .string()
    .trim()
    .refine(
      (value) => !hasHidden(value, { lines }),
      'must not hold control characters or such as turn the direction of a text',
    )
    .check((context) => {
      if ([...context.value].length > maximum)
        context.issues.push({ code: 'too_big', origin: 'string', maximum, inclusive: true, input: context.value })
    })
    .meta({ maxLength: maximum })
    .nullable()

/** As the user keeps them; null where there is none. */
export const profileFields = z.object({
  nickname: text(50, { lines: false }),
  avatar: z.string().nullable().describe('URL.'),
  email: z.string().trim().meta({ format: 'email', maxLength: 254 }).pipe(z.email().max(254)).nullable(),
  phone: z.string().nullable().describe('E.164.'),
  birthday: z.iso.date().nullable().describe('ISO date.'),
  sex: z.enum(['male', 'female']).nullable(),
  address: text(550, { lines: true }),
  signature: text(550, { lines: true }),
} satisfies { [Field in keyof UsersTable]?: z.ZodType<UsersTable[Field]> })

type ProfileField = keyof typeof profileFields.shape
export type ProfileFields = z.output<typeof profileFields>

const names = Object.keys(profileFields.shape) as ProfileField[]

/** The columns that make up a user's profile. */
export const profileColumns = [
  'id',
  ...names,
  'roles',
  'created_at',
  'last_login_at',
  'version',
] as const satisfies (keyof UsersTable)[]

/** The fields alone, out of a row that holds more. */
export const profileFieldsOf = (row: ProfileFields): ProfileFields =>
  Object.fromEntries(names.map((name) => [name, row[name]])) as ProfileFields

export const noProfileFields = Object.fromEntries(names.map((name) => [name, null])) as Record<ProfileField, null>
