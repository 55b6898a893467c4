/** Signing keys in PostgreSQL; the private half is sealed before it comes here. */
import { type Kysely, sql } from 'kysely'
import { type AuditEvent, writeAudit } from '../audit/audit.ts'
import type { Database } from '../storage/database.ts'
import type { Schema } from '../storage/schema.ts'
import { transact } from '../storage/transaction.ts'
import type { RingKey } from './schedule.ts'

export type StoredKey = RingKey & { publicJwk: Record<string, unknown>; sealedPrivateJwk: string }

export type KeyStore = ReturnType<typeof createKeyStore>

/** What signs after a retired key: a key that is there, from now on, or a new one. */
export type Successor = { promote: string } | { add: StoredKey } | undefined

export function createKeyStore(database: Pick<Database, 'kysely'>) {
  const { kysely } = database

  return {
    /**
     * Retires the key and lets its successor sign, in one transaction that every other writer of keys waits for; false when there
     * is no such key.
     */
    async retire(
      kid: string,
      audit: AuditEvent,
      successorOf: (keys: readonly StoredKey[]) => Promise<Successor>,
    ): Promise<boolean> {
      return await transact(database, async (tx) => {
        await sql`lock table signing_keys in share row exclusive mode`.execute(tx)
        const keys = await listKeys(tx)
        if (!keys.some((key) => key.kid === kid && key.retiredAt === null)) return false
        const successor = await successorOf(keys)
        await tx.updateTable('signing_keys').set({ retired_at: audit.at }).where('kid', '=', kid).execute()
        if (successor && 'promote' in successor) {
          const set = { activates_at: audit.at }
          await tx.updateTable('signing_keys').set(set).where('kid', '=', successor.promote).execute()
        } else if (successor) await insertKey(tx, successor.add)
        await writeAudit(tx, audit)
        return true
      })
    },

    list: () => listKeys(kysely),

    /** Adds the key unless another replica took its generation; tells whether it did. An operator's act is audited with it. */
    async add(key: StoredKey, audit?: AuditEvent): Promise<boolean> {
      return await transact(database, async (tx) => {
        const added = await insertKey(tx, key)
        if (added && audit) await writeAudit(tx, audit)
        return added
      })
    },

    /** Replaces the seal if it is still the one that was read; tells whether it was. */
    async reseal(kid: string, expected: string, sealed: string): Promise<boolean> {
      const { numUpdatedRows } = await kysely
        .updateTable('signing_keys')
        .set({ sealed_private_jwk: sealed })
        .where('kid', '=', kid)
        .where('sealed_private_jwk', '=', expected)
        .executeTakeFirst()
      return numUpdatedRows === 1n
    },

    /** The first time that keys were resealed under this encryption key. */
    async firstResealedAt(encryptionKeyId: string): Promise<Date | undefined> {
      const row = await kysely
        .selectFrom('audit_events')
        .select('at')
        .where('kind', '=', 'keys_resealed')
        .where(sql`detail ->> 'encryption_key'`, '=', encryptionKeyId)
        .orderBy('at')
        .limit(1)
        .executeTakeFirst()
      return row?.at
    },

    audit: (event: AuditEvent): Promise<void> => writeAudit(kysely, event),

    async remove(kids: readonly string[]): Promise<void> {
      await kysely.deleteFrom('signing_keys').where('kid', 'in', kids).execute()
    },
  }
}

async function listKeys(db: Kysely<Schema>): Promise<StoredKey[]> {
  const rows = await db.selectFrom('signing_keys').selectAll().orderBy('generation').execute()
  return rows.map((row) => ({
    kid: row.kid,
    generation: row.generation,
    alg: row.alg,
    publishedAt: row.published_at,
    activatesAt: row.activates_at,
    retiredAt: row.retired_at,
    publicJwk: row.public_jwk,
    sealedPrivateJwk: row.sealed_private_jwk,
  }))
}

async function insertKey(db: Kysely<Schema>, key: StoredKey): Promise<boolean> {
  const row = await db
    .insertInto('signing_keys')
    .values({
      kid: key.kid,
      generation: key.generation,
      alg: key.alg,
      public_jwk: JSON.stringify(key.publicJwk),
      sealed_private_jwk: key.sealedPrivateJwk,
      published_at: key.publishedAt,
      activates_at: key.activatesAt,
      retired_at: null,
    })
    .onConflict((conflict) => conflict.doNothing())
    .returning('kid')
    .executeTakeFirst()
  return row !== undefined
}
