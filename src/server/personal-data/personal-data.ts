/** Users' rights over their own data, put together: to have a copy and to have it erased. */
import type { Config } from '../config/config.ts'
import type { Route } from '../http/route.ts'
import type { Log } from '../observability/log.ts'
import { limitByAddress } from '../rate-limit/limit.ts'
import type { RateLimits } from '../rate-limit/rate-limit.ts'
import type { Database } from '../storage/database.ts'
import { createErase, type EraseParts } from './erasure.ts'
import { erasureRoutes } from './erasure-routes.ts'
import type { Erasures } from './erasures.ts'
import { createExport } from './export.ts'
import { personalDataRoutes } from './routes.ts'
import { createPersonalDataStore } from './store.ts'

export type PersonalDataParts = Omit<EraseParts, 'store'> & {
  database: Database
  erasures: Pick<Erasures, 'find'>
  limits: Pick<RateLimits, 'exportsPerUser' | 'receiptsPerAddress'>
  log: Log
  config: Pick<Config, 'auditRetentionMonths'>
}

export function createPersonalData({ database, limits, erasures, log, config, ...parts }: PersonalDataParts): {
  routes: Route[]
} {
  const store = createPersonalDataStore(database)
  const routes = personalDataRoutes({
    exportData: createExport({ store, limit: limits.exportsPerUser }),
    erase: createErase({ store, ...parts }),
    onBroken: (error) => log.warn({ error }, 'an export broke off'),
    auditRetentionMonths: config.auditRetentionMonths,
  })
  const receipts = erasureRoutes({ find: erasures.find, limit: limitByAddress(limits.receiptsPerAddress) })
  return { routes: [...routes, ...receipts] }
}
