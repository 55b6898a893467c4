/** Operators on keys from the command line: list, rotate, retire, and move what is sealed under a new encryption key. */
import type { Clock } from '../clock.ts'
import { type Config, loadConfig } from '../config/config.ts'
import { createSealer, sealedWith } from '../crypto/seal.ts'
import { reseal } from '../keys/reseal.ts'
import { createKeyRing, type KeyChange, type KeyRing, opens } from '../keys/ring.ts'
import { listedKeys, scheduleOf, shownKey } from '../keys/schedule.ts'
import { createKeyStore, type KeyStore } from '../keys/store.ts'
import { createPostgres } from '../storage/database.ts'
import { type Command, type Outcome, onlyPositional, table, UsageError } from './command.ts'

const actor = { ip: undefined, requestId: undefined, name: 'operator:cli' }

export const keysList: Command = {
  name: 'keys list',
  usage: '',
  summary: 'The signing keys, what each is doing, and the encryption key each is sealed under.',
  details: 'Ends with 1 when a key that signs, or is to sign, cannot be opened with ENCRYPTION_KEYS.',
  options: {},
  run: () =>
    withKeys(async ({ config, store, clock }) => {
      const sealer = createSealer(config.encryptionKeys)
      const stored = await store.list()
      const keys = listedKeys(stored, clock.now(), scheduleOf(config)).map((key) => {
        const row = stored.find((one) => one.kid === key.kid)
        const opened = key.state === 'retiring' || key.state === 'gone' || (row !== undefined && opens(sealer, row))
        return { ...shownKey(key), encryption_key: row && sealedWith(row.sealedPrivateJwk), opens: opened }
      })
      const lost = keys.filter((key) => !key.opens)
      const rows = keys.map((key) => [
        key.kid,
        key.alg,
        key.state,
        key.activates_at.toISOString(),
        key.encryption_key ?? 'unknown',
      ])
      return {
        ok: lost.length === 0,
        json: { keys },
        text: [
          table([['KID', 'ALG', 'STATE', 'SIGNS FROM', 'SEALED UNDER'], ...rows]),
          ...lost.map(
            ({ kid, encryption_key }) =>
              `\n${kid} cannot be opened: put encryption key "${encryption_key}" back into ENCRYPTION_KEYS, or retire it.`,
          ),
        ].join('\n'),
      }
    }),
}

export const keysRotate: Command = {
  name: 'keys rotate',
  usage: '[--activate-after SECONDS]',
  summary: 'Publish a new signing key now; it signs after the usual publish-ahead, or as soon as is asked.',
  details: 'Replicas follow within a minute, without a restart.',
  options: { 'activate-after': { type: 'string', help: 'seconds until it signs; 0 is at once' } },
  async run({ values }) {
    const text = values['activate-after']
    if (text !== undefined && !/^\d{1,8}$/.test(String(text)))
      throw new UsageError('--activate-after takes a whole number of seconds')
    const seconds = text === undefined ? undefined : Number(text)
    return await withKeys(async ({ ring }) => told(await ring.rotate(seconds, actor)))
  },
}

export const keysRetire: Command = {
  name: 'keys retire',
  usage: 'KID',
  summary:
    'Take a signing key out at once, as when it leaked: what it signed is refused, another key signs from now on.',
  details: 'Works for a key that cannot be opened, too. Replicas follow within a minute, without a restart.',
  options: {},
  async run(input) {
    const kid = onlyPositional(input, 'KID')
    return await withKeys(async ({ ring }) => {
      const change = await ring.retire(kid, actor)
      if (change) return told(change)
      const problem = `there is no signing key ${kid} in use: see keys list`
      return { ok: false, json: { problem }, text: problem }
    })
  },
}

export const resealCommand: Command = {
  name: 'reseal',
  usage: '',
  summary: 'Seal the signing keys anew under the first of ENCRYPTION_KEYS, and tell what still depends on the others.',
  details:
    'Run it when every replica has the new key first; run it again to see whether the old one may go. Dates count from the first run.\n' +
    'Ends with 1 when a signing key cannot be opened.',
  options: {},
  run: ({ progress }) =>
    withKeys(async ({ config, store, clock }) => {
      const sealer = createSealer(config.encryptionKeys)
      const onProgress = (done: number, all: number) => progress(`signing keys: ${done} of ${all}`)
      const report = await reseal({ store, sealer, clock, config, actor, onProgress })
      return { ok: report.lost.length === 0, json: report, text: resealText(report) }
    }),
}

function resealText({ encryptionKey, resealed, lost, others }: Awaited<ReturnType<typeof reseal>>): string {
  return [
    `${resealed.length} signing key(s) moved under encryption key "${encryptionKey}".`,
    ...lost.map(({ problem }) => problem),
    ...others.map(({ encryptionKey: id, signingKeys, sessionKeysUntil, refreshTokensUntil, safeToDrop }) =>
      safeToDrop
        ? `"${id}": nothing depends on it; take it out of ENCRYPTION_KEYS.`
        : `"${id}": ${signingKeys} signing key(s); session_keys until ${sessionKeysUntil.toISOString()}; refresh tokens until ` +
          `${refreshTokensUntil.toISOString()}. To drop it sooner ends the sessions of those who were away since the change.`,
    ),
  ].join('\n')
}

function told({ keys, warnings }: KeyChange): Outcome {
  const rows = keys.map((key) => [key.kid, key.alg, key.state, key.activatesAt.toISOString()])
  return {
    ok: true,
    json: { keys: keys.map(shownKey), warnings },
    text: [table([['KID', 'ALG', 'STATE', 'SIGNS FROM'], ...rows]), ...warnings.map((line) => `! ${line}`)].join('\n'),
  }
}

/** The configured database for as long as the work takes. */
export async function withKeys<T>(
  work: (parts: { config: Config; store: KeyStore; ring: KeyRing; clock: Clock }) => Promise<T>,
): Promise<T> {
  const config = loadConfig()
  const database = createPostgres({
    url: config.databaseUrl,
    poolMax: 1,
    preparedStatements: config.databasePreparedStatements,
    onError: () => undefined,
  })
  try {
    const store = createKeyStore(database)
    const sealer = createSealer(config.encryptionKeys)
    const ring = createKeyRing({ store, sealer, clock: database.clock, schedule: scheduleOf(config) })
    // What an operator changes is shared by all replicas, so it goes by the database's clock.
    await database.clock.measure()
    return await work({ config, store, ring, clock: database.clock })
  } finally {
    await database.close()
  }
}
