/** Users in PostgreSQL: joined by unionid, suspended, reinstated, given roles, erased; each one transaction under the user's lock. */
import { sql, type Transaction } from 'kysely'
import type { Actor } from '../actor.ts'
import { writeAudit } from '../audit/audit.ts'
import type { EndedSession } from '../events/session-ended.ts'
import type { Database } from '../storage/database.ts'
import type { Schema } from '../storage/schema.ts'
import { transact } from '../storage/transaction.ts'
import type { OwnClaims } from './own-claims.ts'
import { noProfileFields } from './profile-fields.ts'

export type JoinRequest = {
  platform: string
  appid: string
  openid: string
  unionid: string
  unionName: string
  /** Used when this person is new to us. */
  newUserId: string
  firstSessionId: string
  actor: Actor
  at: Date
}

export type UserStore = ReturnType<typeof createUserStore>

/** What a change of a user does to their sessions, inside the transaction of that change. */
export type UserSessions = {
  /** Ends every one that lives. */
  end(tx: Transaction<Schema>, userId: string, reason: 'suspended', actor: Actor, at: Date): Promise<EndedSession[]>
  /** Ends every one that lives, and takes away what is personal in all of them. */
  erase(tx: Transaction<Schema>, userId: string, actor: Actor, at: Date): Promise<EndedSession[]>
}

/** What is left to do elsewhere for an erased user. */
export type Erased = {
  userId: string
  at: Date
  /** Of the erasure's record, which a trigger made: whoever holds it may ask how far the erasure is. */
  receiptId: string
  identities: { platform: string; appid: string; openid: string }[]
  /** Until when addresses stay in the audit trail. */
  addressesUntil: Date
  /** Where the picture was, if there was one. */
  avatar: string | null
  ended: EndedSession[]
}

/** Six months, as the Cybersecurity Law (网络安全法, article 21) wants logs of network events kept. */
const ADDRESS_DAYS = 183

export type UserStoreParts = { database: Pick<Database, 'kysely'>; userSessions: UserSessions }

export function createUserStore({ database, userSessions }: UserStoreParts) {
  return {
    /**
     * The user's row is locked first, as a login does: a login that commits before is seen and its session ended, one that comes
     * after sees the suspension. Suspending twice changes nothing. Undefined when there is no such user, or it was erased.
     */
    async suspend(userId: string, reason: string | undefined, actor: Actor, at: Date) {
      return await transact(database, async (tx) => {
        const user = await lockUser(tx, userId)
        if (!user) return undefined
        const changed = user.status === 'active'
        if (changed) {
          const why = { suspended_at: at, suspend_reason: reason ?? null, suspended_by: actor.name, updated_at: at }
          await tx
            .updateTable('users')
            .set({ status: 'suspended', ...why })
            .where('id', '=', userId)
            .execute()
          await writeAudit(tx, {
            kind: 'user_suspended',
            at,
            actor,
            user_id: userId,
            ...(reason && { detail: { reason } }),
          })
        }
        return { changed, ended: await userSessions.end(tx, userId, 'suspended', actor, at) }
      })
    },

    /** Whether it changed anything; undefined when there is no such user, or it was erased. */
    async reinstate(userId: string, reason: string | undefined, actor: Actor, at: Date): Promise<boolean | undefined> {
      return await transact(database, async (tx) => {
        const user = await lockUser(tx, userId)
        if (user?.status === 'suspended') {
          const set = { status: 'active', updated_at: at, ...notSuspended } as const
          await tx.updateTable('users').set(set).where('id', '=', userId).execute()
          await writeAudit(tx, {
            kind: 'user_reinstated',
            at,
            actor,
            user_id: userId,
            ...(reason && { detail: { reason } }),
          })
        }
        return user && user.status === 'suspended'
      })
    },

    async setRoles(userId: string, roles: string[], actor: Actor, at: Date): Promise<boolean> {
      return await transact(database, async (tx) => {
        const user = await lockUser(tx, userId)
        if (user && user.roles.join() !== roles.join()) {
          await tx
            .updateTable('users')
            .set((eb) => ({ roles, version: eb('version', '+', 1), updated_at: at }))
            .where('id', '=', userId)
            .execute()
          const detail = { from: user.roles, to: roles }
          await writeAudit(tx, { kind: 'roles_changed', at, actor, user_id: userId, detail })
        }
        return user !== undefined
      })
    },

    /** The audit says which names changed, not their values: they may be personal, and the trail is kept. */
    async setClaims(userId: string, claims: OwnClaims | null, actor: Actor, at: Date): Promise<boolean> {
      return await transact(database, async (tx) => {
        const user = await lockUser(tx, userId)
        const text = claims && JSON.stringify(claims)
        if (user && JSON.stringify(user.claims) !== text) {
          await tx.updateTable('users').set({ claims: text, updated_at: at }).where('id', '=', userId).execute()
          const detail = { from: Object.keys(user.claims ?? {}), to: Object.keys(claims ?? {}) }
          await writeAudit(tx, { kind: 'claims_changed', at, actor, user_id: userId, detail })
        }
        return user !== undefined
      })
    },

    async setExternalId(userId: string, externalId: string | null, actor: Actor, at: Date): Promise<boolean> {
      return await transact(database, async (tx) => {
        const user = await lockUser(tx, userId)
        if (user && user.external_id !== externalId) {
          await tx
            .updateTable('users')
            .set({ external_id: externalId, updated_at: at })
            .where('id', '=', userId)
            .execute()
          await writeAudit(tx, { kind: 'external_id_changed', at, actor, user_id: userId })
        }
        return user !== undefined
      })
    },

    /** The row stays, without anything personal, so that ids in other systems still mean somebody who is gone. */
    async erase(userId: string, actor: Actor, at: Date): Promise<Erased | undefined> {
      return await transact(database, async (tx) => {
        const user = await lockUser(tx, userId)
        if (!user) return undefined
        const addressesUntil = new Date(at.getTime() + ADDRESS_DAYS * 86_400_000)
        await tx
          .updateTable('users')
          .set((eb) => ({
            ...noProfile,
            status: 'erased',
            chosen_fields: [],
            roles: [],
            claims: null,
            external_id: null,
            version: eb('version', '+', 1),
            updated_at: at,
            erased_at: at,
            addresses_until: addressesUntil,
          }))
          .where('id', '=', userId)
          .execute()
        const { id: receiptId } = await tx
          .selectFrom('erasures')
          .select('id')
          .where('user_id', '=', userId)
          .orderBy('at', 'desc')
          .executeTakeFirstOrThrow()
        const identities = await tx
          .deleteFrom('platform_identities')
          .where('user_id', '=', userId)
          .returning(['platform', 'appid', 'openid'])
          .execute()
        // After the identities: a join by unionid that was under way has committed by now, and its row is seen.
        await tx.deleteFrom('union_members').where('user_id', '=', userId).execute()
        const ended = await userSessions.erase(tx, userId, actor, at)
        // The erasure is kept on record without an address of the person who asked for it.
        const detail = { receipt_id: receiptId }
        await writeAudit(tx, { kind: 'user_erased', at, actor: { ...actor, ip: undefined }, user_id: userId, detail })
        return { userId, at, receiptId, identities, avatar: user.avatar, ended, addressesUntil }
      })
    },

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
      actor,
      at,
    }: JoinRequest): Promise<void> {
      await transact(database, async (tx) => {
        // Joins of one unionid queue up here, so that whoever comes second sees the first one's user.
        await sql`select pg_advisory_xact_lock(hashtextextended(${`${unionName} ${unionid}`}, 0))`.execute(tx)
        const member = await tx
          .selectFrom('union_members')
          .innerJoin('users', 'users.id', 'union_members.user_id')
          .select('user_id')
          .where('union_name', '=', unionName)
          .where('unionid', '=', unionid)
          .where('users.status', '<>', 'erased')
          // An erasure under way ends first; its user is then nobody's.
          .forShare('users')
          .executeTakeFirst()
        const addMember = (userId: string) =>
          tx.insertInto('union_members').values({ union_name: unionName, unionid, user_id: userId }).execute()

        // The identity may be there, or appear at this very moment through a login that carried no unionid.
        const known = await tx
          .selectFrom('platform_identities')
          .select(['user_id', 'unionid', 'union_name'])
          .where('platform', '=', platform)
          .where('appid', '=', appid)
          .where('openid', '=', openid)
          .forUpdate()
          .executeTakeFirst()
        // A parallel login of the same person was here first, and audited what there was to audit.
        if (known?.unionid === unionid && known.union_name === unionName) return
        if (known) {
          await tx
            .updateTable('platform_identities')
            .set({ unionid, union_name: unionName })
            .where('platform', '=', platform)
            .where('appid', '=', appid)
            .where('openid', '=', openid)
            .execute()
          if (!member) await addMember(known.user_id)
          else if (member.user_id !== known.user_id) {
            const detail = { union: unionName, belongs_to: member.user_id }
            await writeAudit(tx, { kind: 'unionid_conflict', at, actor, user_id: known.user_id, appid, detail })
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
          .values({ platform, appid, openid, unionid, union_name: unionName, user_id: userId, created_at: at })
          .execute()
      })
    },
  }
}

/** Takes the row lock of a user who is not erased, the same that a login takes. */
async function lockUser(tx: Transaction<Schema>, userId: string) {
  return await tx
    .selectFrom('users')
    .select(['status', 'roles', 'avatar', 'claims', 'external_id'])
    .where('id', '=', userId)
    .where('status', '<>', 'erased')
    .forNoKeyUpdate()
    .executeTakeFirst()
}

const notSuspended = { suspended_at: null, suspend_reason: null, suspended_by: null }
const noProfile = {
  ...noProfileFields,
  ...notSuspended,
  ...{ exclusive_phone: null, erased_at: null, addresses_until: null },
}
