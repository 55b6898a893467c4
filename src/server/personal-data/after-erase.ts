/** What an erasure takes along that is not in the database: session_keys and the picture. The user is gone whether it works or not. */
import type { Avatars } from '../avatars/avatars.ts'
import type { Log } from '../observability/log.ts'
import type { Vault } from '../session-key/vault.ts'
import type { Erased } from '../users/users.ts'

export type AfterEraseParts = {
  vault: Vault
  avatars: Avatars
  /** Where a trigger noted the picture. */
  discarded: { deleted(url: string): Promise<void> }
  log: Log
}

export function createAfterErase({ vault, avatars, discarded, log }: AfterEraseParts) {
  return async ({ identities, avatar }: Erased): Promise<void> => {
    const dropped = await Promise.allSettled(identities.map((identity) => vault.drop(identity)))
    for (const { reason: error } of dropped.filter((one) => one.status === 'rejected'))
      log.warn({ error }, 'a session_key of an erased user stays until its time is over: the cache is away')
    if (avatar === null || !(await avatars.remove(avatar))) return
    // Else the timed task deletes it once more, in vain, and the receipt says so a minute later.
    await discarded.deleted(avatar).catch((error: unknown) => log.warn({ error }, 'a deleted picture was not noted'))
  }
}
