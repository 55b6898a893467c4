/** Users as other capabilities see them: one person, however many platform identities lead there. */
import type { Origin } from '../audit/audit.ts'

export type JoinRequest = {
  platform: string
  appid: string
  openid: string
  unionid: string
  unionName: string
  /** Used when this person is new to us. */
  newUserId: string
  firstSessionId: string
  origin: Origin
  at: Date
}

export type Users = {
  /** Sees to it that the identity exists, carries the unionid and belongs to the union's user, unless it had another before. */
  joinUnion(request: JoinRequest): Promise<void>
}

const UNIQUE_VIOLATION = '23505'

export function createUsers({ store }: { store: Users }): Users {
  return {
    async joinUnion(request) {
      try {
        await store.joinUnion(request)
      } catch (error) {
        // Another login made the identity this instant: the caller looks again and finds it.
        if (!(error instanceof Error && 'code' in error && error.code === UNIQUE_VIOLATION)) throw error
      }
    },
  }
}
