/** The columns that make up a user's profile. */
import type { UsersTable } from '../storage/schema.ts'

export const profileColumns = [
  'id',
  'nickname',
  'avatar',
  'email',
  'phone',
  'birthday',
  'sex',
  'address',
  'signature',
  'roles',
  'created_at',
  'last_login_at',
  'version',
] as const satisfies (keyof UsersTable)[]
