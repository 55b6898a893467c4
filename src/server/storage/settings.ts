/** What a connection begins with, so that reading and writing mean the same whatever the database, the role or the server is set to. */
import pg from 'pg'

/** How times are written; every pooler takes these and gives each client its own. */
const forms = { DateStyle: 'ISO, YMD', TimeZone: 'UTC', standard_conforming_strings: 'on' }

/**
 * The rest, which a transaction pooler may refuse. Nothing goes wrong without it: no statement hangs on it, transactions name their
 * level, what loses a race is sent again, and each statement limits its own waits.
 */
const behaviour = (lockTimeoutMs: number) => ({
  default_transaction_isolation: 'read committed',
  default_transaction_deferrable: 'off',
  lock_timeout: String(lockTimeoutMs),
  IntervalStyle: 'postgres',
  bytea_output: 'hex',
  extra_float_digits: '1',
  array_nulls: 'on',
})

export type Settings = { refused: boolean; lockTimeoutMs: number }

/** For the pool's `Client`; `settings.refused` is read at each connection. */
export function clientWith(settings: Settings): new () => pg.ClientBase {
  function Client(config: pg.ClientConfig): pg.Client {
    const client = new pg.Client(config) as pg.Client & { getStartupConf(): Record<string, string> }
    const usual = client.getStartupConf.bind(client)
    client.getStartupConf = () => ({
      ...usual(),
      ...forms,
      ...(settings.refused ? {} : behaviour(settings.lockTimeoutMs)),
    })
    return client
  }
  return Client as unknown as new () => pg.ClientBase
}
