/** Joins a platform identity to the user of its unionid: the careful, rare path of a login, one transaction under one lock. */
import { sql } from 'kysely'
import { insertAuditRows, toRow } from '../audit/audit.ts'
import type { Database } from '../storage/database.ts'
import type { JoinRequest } from './users.ts'

export type UserStore = ReturnType<typeof createUserStore>

export function createUserStore({ kysely }: Pick<Database, 'kysely'>) {
  return {
    /**
     * Afterwards the identity is there, carries the unionid, and belongs to the union's user. An identity that already had
     * another user keeps it: the conflict is audited, never merged silently.
     */
    async joinUnion({
      platform,
      appid,
      openid,
      unionid,
      unionName,
      newUserId,
      firstSessionId,
      origin,
      at,
    }: JoinRequest): Promise<void> {
      await kysely.transaction().execute(async (tx) => {
        // Joins of one unionid queue up here, so that whoever comes second sees the first one's user.
        await sql`select pg_advisory_xact_lock(hashtextextended(${`${unionName} ${unionid}`}, 0))`.execute(tx)
        const member = await tx
          .selectFrom('union_members')
          .select('user_id')
          .where('union_name', '=', unionName)
          .where('unionid', '=', unionid)
          .executeTakeFirst()
        const addMember = (userId: string) =>
          tx.insertInto('union_members').values({ union_name: unionName, unionid, user_id: userId }).execute()

        // The identity may be there, or appear at this very moment through a login that carried no unionid.
        const known = await tx
          .updateTable('platform_identities')
          .set({ unionid })
          .where('platform', '=', platform)
          .where('appid', '=', appid)
          .where('openid', '=', openid)
          .returning('user_id')
          .executeTakeFirst()
        if (known) {
          if (!member) await addMember(known.user_id)
          else if (member.user_id !== known.user_id) {
            const detail = { union: unionName, belongs_to: member.user_id }
            await insertAuditRows(tx, [
              toRow({ kind: 'unionid_conflict', at, origin, user_id: known.user_id, appid, detail }),
            ])
          }
          return
        }
        const userId = member?.user_id ?? newUserId
        if (!member) {
          await tx
            .insertInto('users')
            .values({
              id: userId,
              first_session_id: firstSessionId,
              created_at: at,
              updated_at: at,
              last_login_at: at,
              ...noProfile,
            })
            .execute()
          await addMember(userId)
        }
        // Fails on a lost race (unique violation), which rolls all of this back; the login then starts over and finds the identity.
        await tx
          .insertInto('platform_identities')
          .values({ platform, appid, openid, unionid, user_id: userId, created_at: at })
          .execute()
      })
    },
  }
}

const noProfile = {
  nickname: null,
  avatar: null,
  email: null,
  phone: null,
  exclusive_phone: null,
  birthday: null,
  sex: null,
  address: null,
  signature: null,
  suspended_at: null,
  erased_at: null,
}
