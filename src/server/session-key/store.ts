/** Where a session_key belongs: a user's platform identity in an app. */
import type { PlatformIdentity } from '../platforms/platform.ts'
import type { Database } from '../storage/database.ts'
import type { UserStatus } from '../storage/schema.ts'

export type SessionKeyStore = ReturnType<typeof createSessionKeyStore>

export function createSessionKeyStore({ kysely }: Pick<Database, 'kysely'>) {
  return {
    /** The user's identity in an app, with the user's status; the newest where the appid exists on several platforms. */
    async identityIn(userId: string, appid: string): Promise<(PlatformIdentity & { status: UserStatus }) | undefined> {
      return await kysely
        .selectFrom('platform_identities')
        .innerJoin('users', 'users.id', 'platform_identities.user_id')
        .select(['platform', 'appid', 'openid', 'users.status'])
        .where('user_id', '=', userId)
        .where('appid', '=', appid)
        .orderBy('platform_identities.created_at', 'desc')
        .executeTakeFirst()
    },
  }
}
