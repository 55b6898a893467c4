/** What login and refresh answer. */
import { z } from 'zod'

export const tokenReplySchema = z
  .object({
    token: z.string().describe('The access token: a JWT that every service verifies on its own.'),
    token_type: z.literal('Bearer'),
    expires_in: z.number().int().describe('Seconds until the access token expires.'),
    refresh_token: z.string().describe('Good for one refresh; keep the new one.'),
    refresh_expires_in: z.number().int().describe('Seconds until the session ends if it is not refreshed.'),
    user_id: z.string(),
    nickname: z.string().nullable(),
    is_new_user: z.boolean(),
  })
  .meta({ id: 'Tokens' })

export type TokenReply = z.output<typeof tokenReplySchema>
