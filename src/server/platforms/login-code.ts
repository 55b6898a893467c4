/** What a code of a platform may look like: whoever sends something else is told so, and the platform is not asked. */
import { z } from 'zod'
import { MOCK_CODE } from './wechat.ts'

/**
 * Letters and digits in practice, of undocumented form: bounded, and not pinned. What developer tools give without a real appid is
 * passed on, since it has a refusal of its own.
 */
export const loginCode = z
  .string()
  .min(1)
  .max(128)
  .refine(
    (code) => code === MOCK_CODE || /^[\x21-\x7e]*$/.test(code),
    'may hold letters, digits and signs of ASCII, no blanks',
  )
