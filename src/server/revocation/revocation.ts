/** Status lists, put together: brought up to date, published, remembered beyond a restore of the database. */
import type { Clock } from '../clock.ts'
import type { Config } from '../config/config.ts'
import type { Route } from '../http/route.ts'
import type { KeyRing } from '../keys/ring.ts'
import type { Log } from '../observability/log.ts'
import type { Cache } from '../storage/cache.ts'
import type { Database } from '../storage/database.ts'
import { createHandedOut } from './handed-out.ts'
import { createStatusLists, type StatusLists } from './publisher.ts'
import { statusListRoutes } from './routes.ts'
import { createStatusStore } from './store.ts'

export type RevocationParts = {
  database: Database
  cache: Cache
  ring: KeyRing
  /** The process's own: it dates what is signed. */
  clock: Clock
  config: Pick<Config, 'issuer' | 'statusListTtlSeconds'>
  log: Log
}

export function createRevocation(parts: RevocationParts): { statusLists: StatusLists; routes: Route[] } {
  const { database, cache, ring, clock, config, log } = parts
  const { issuer, statusListTtlSeconds: ttlSeconds } = config
  const statusLists = createStatusLists({
    ...{ ring, clock, issuer, ttlSeconds },
    store: createStatusStore(database),
    handedOut: createHandedOut({ cache }),
    onPutBack: (places) =>
      log.error(places, 'ALERT: the database was put back to an earlier state; status indexes jump ahead'),
    onError: (error) => log.error({ error }, 'status lists were not published'),
  })
  return { statusLists, routes: statusListRoutes({ lists: statusLists, issuer, ttlSeconds }) }
}
