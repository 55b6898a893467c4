/** Users' rights over their own data, put together: to have a copy and to have it erased. */
import type { Route } from '../http/route.ts'
import type { Log } from '../observability/log.ts'
import type { RateLimits } from '../rate-limit/rate-limit.ts'
import type { Database } from '../storage/database.ts'
import { createErase, type EraseParts } from './erasure.ts'
import { createExport } from './export.ts'
import { personalDataRoutes } from './routes.ts'
import { createPersonalDataStore } from './store.ts'

export type PersonalDataParts = Omit<EraseParts, 'store'> & {
  database: Database
  limits: Pick<RateLimits, 'exportsPerUser'>
  log: Log
}

export function createPersonalData({ database, limits, log, ...parts }: PersonalDataParts): { routes: Route[] } {
  const store = createPersonalDataStore(database)
  const routes = personalDataRoutes({
    exportData: createExport({ store, limit: limits.exportsPerUser }),
    erase: createErase({ store, ...parts }),
    onBroken: (error) => log.warn({ error }, 'an export broke off'),
  })
  return { routes }
}
