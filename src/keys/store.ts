/** Signing keys in PostgreSQL; the private half is sealed before it comes here. */
import type { Database } from '../storage/database.ts'
import type { RingKey } from './schedule.ts'

export type StoredKey = RingKey & { publicJwk: Record<string, unknown>; sealedPrivateJwk: string }

export type KeyStore = ReturnType<typeof createKeyStore>

export function createKeyStore({ kysely }: Pick<Database, 'kysely'>) {
  return {
    async list(): Promise<StoredKey[]> {
      const rows = await kysely.selectFrom('signing_keys').selectAll().orderBy('generation').execute()
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
    },
    /** Adds the key unless another replica took its generation; tells whether it did. */
    async add(key: StoredKey): Promise<boolean> {
      const row = await kysely
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
    },
    async remove(kids: readonly string[]): Promise<void> {
      await kysely.deleteFrom('signing_keys').where('kid', 'in', kids).execute()
    },
  }
}
