/** `npm run migrate`: brings the database to the newest schema and says what it did. */
import { ConfigError, loadMigrationUrl } from './server/config/config.ts'
import { createPostgres } from './server/storage/database.ts'
import { migrate } from './server/storage/migrate.ts'

/** A migration may build an index on a large table. */
const STATEMENT_TIMEOUT_MS = 3_600_000

try {
  const database = createPostgres({ url: loadMigrationUrl(), poolMax: 1, queryTimeoutMs: STATEMENT_TIMEOUT_MS })
  const applied = await migrate(database.kysely)
  console.log(applied.length === 0 ? 'The schema is up to date.' : `Applied: ${applied.join(', ')}`)
  await database.close()
} catch (error) {
  console.error(
    error instanceof ConfigError
      ? error.message
      : `Migration failed: ${error instanceof Error ? error.message : error}\n\`npx auth-gateway doctor\` says what to check.`,
  )
  process.exit(error instanceof ConfigError ? 2 : 1)
}
