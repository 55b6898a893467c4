/** Users as other capabilities see them: joined by unionid, suspended, reinstated, given roles, erased; each one transaction. */
import type { Actor } from '../actor.ts'
import type { Clock } from '../clock.ts'
import type { OnSessionsEnded } from '../events/session-ended.ts'
import { isUniqueViolation } from '../storage/sqlstate.ts'
import type { OwnClaims } from './own-claims.ts'
import type { Erased, JoinRequest, UserStore } from './store.ts'

export type { Erased } from './store.ts'

/** `unchanged`: the user was so before, and what was recorded then stays. */
export type Change = 'changed' | 'unchanged'

export type Users = {
  /** Sees to it that the identity exists, carries the unionid and belongs to the union's user, unless it had another before. */
  joinUnion(request: JoinRequest): Promise<void>
  /** From now on no login and no refresh; every session ends. False when there is no such user. */
  suspend(userId: string, actor: Actor, reason?: string): Promise<Change | false>
  /** May log in again; sessions that ended stay ended. False when there is no such user. */
  reinstate(userId: string, actor: Actor, reason?: string): Promise<Change | false>
  /** The roles of every token from now on. False when there is no such user. */
  setRoles(userId: string, roles: readonly string[], actor: Actor): Promise<boolean>
  /** The user's own claims in every token from now on, null for none. False when there is no such user. */
  setClaims(userId: string, claims: OwnClaims | null, actor: Actor): Promise<boolean>
  /** How another system knows the user. False when there is no such user; 'taken' when another user has that id. */
  setExternalId(userId: string, externalId: string | null, actor: Actor): Promise<boolean | 'taken'>
  /**
   * Takes away everything personal and ends every session; a later login of the same person makes a new user. Undefined when there
   * is no such user, or it was erased before. What is kept outside the database is dropped as well (`afterErase`).
   */
  erase(userId: string, actor: Actor): Promise<Erased | undefined>
}

export type UsersParts = {
  store: UserStore
  clock: Clock
  /** Told after each commit that ended sessions. */
  onEnded: OnSessionsEnded
  /** Drops what other stores keep about an erased user: session_keys by identity, the avatar. Must not throw. */
  afterErase: (erased: Erased) => Promise<void>
}

export function createUsers({ store, clock, onEnded, afterErase }: UsersParts): Users {
  return {
    async joinUnion(request) {
      try {
        await store.joinUnion(request)
      } catch (error) {
        // Another login made the identity this instant: the caller looks again and finds it.
        if (!isUniqueViolation(error)) throw error
      }
    },
    async suspend(userId, actor, reason) {
      const done = await store.suspend(userId, reason, actor, clock.now())
      if (!done) return false
      onEnded(done.ended, 'suspended')
      return done.changed ? 'changed' : 'unchanged'
    },
    async reinstate(userId, actor, reason) {
      const changed = await store.reinstate(userId, reason, actor, clock.now())
      return changed === undefined ? false : changed ? 'changed' : 'unchanged'
    },
    setRoles: (userId, roles, actor) => store.setRoles(userId, [...new Set(roles)].sort(), actor, clock.now()),
    setClaims: (userId, claims, actor) =>
      store.setClaims(userId, claims && Object.keys(claims).length > 0 ? claims : null, actor, clock.now()),
    async setExternalId(userId, externalId, actor) {
      try {
        return await store.setExternalId(userId, externalId, actor, clock.now())
      } catch (error) {
        if (isUniqueViolation(error)) return 'taken'
        throw error
      }
    },
    async erase(userId, actor) {
      const erased = await store.erase(userId, actor, clock.now())
      if (!erased) return undefined
      onEnded(erased.ended, 'erased')
      await afterErase(erased)
      return erased
    },
  }
}
